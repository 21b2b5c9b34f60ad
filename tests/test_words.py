"""Help, messages, docstrings and documentation use the field's standard terms in plain sentences.

Each entry is a habit that was mended once, with what to write in its place. `python tests/test_words.py PATH...` lists what
it finds in the given files and folders.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

BANNED = {
    r"anew": "again, or re-",
    r"of ours": "built-in",
    r"left out": "default: ..., skipped or omitted",
    r"(?:leav\w+|left) (?:\S+ ){0,3}out": "drop, omit or skip",
    r"for people": "for display, or nothing",
    r"says? of": "predicts, reports or describes",
    r"(?:is|are|was|were|be) told": "is reported, printed or passed",
    r"dear(?:er|est)?": "expensive",
    r"a hair": "slightly, or by a margin",
    r"who(?:ever|m?soever)": "the caller, the user",
    r"nobody|somebody": "no one is meant: name the subject",
    r"mend(?:s|ed|ing)?": "fix",
    r"amiss": "wrong",
    r"hostile": "adversarial",
    r"flatter(?:s|ed|ing)?": "biases upwards, is optimistic",
    r"judg(?:e[sd]?|ing|e?ments?)": "evaluate, score, label or check",
    r"(?<!there )(?<!that )is no (?!longer|more|less|other|such|need)\w+": "is not a ...",
    r"knows? nothing": "has random weights",
    r"twins?": "counterpart, near-duplicate or adversarial example",
    r"hunt(?:s|ed|ing)?": "search",
    r"lanes?": "batch, rows",
    r"court": "run",
    r"a number to a number": "scalar-to-scalar",
    r"(?:images?|frames?|rows?|files?|networks?|lines?|passes|folders?) an? (?:second|step|row|class|line|epoch)": "per",
    r"an? \w+ each": "one ... per ...",
    r"so many": "that many, n",
    r"brought to": "resized to",
    r"to the bit": "bit for bit",
}
_WORDS = re.compile("|".join(rf"\b(?:{pattern})\b" for pattern in BANNED), re.IGNORECASE)
_ALLOWED = re.compile(r"judge's|nothing nobody neither")


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers and text of what a person reads in a file: all of a document, strings and comments of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), start=1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def complaints(path: Path) -> list[str]:
    """One line for each banned phrase in a file."""
    return [
        f"{path}:{number}: '{found[0]}' ({_instead(found[0])})"
        for number, line in prose(path)
        for found in _WORDS.finditer(_ALLOWED.sub("", line))
    ]


def _instead(phrase: str) -> str:
    return next(better for pattern, better in BANNED.items() if re.fullmatch(pattern, phrase, re.IGNORECASE))


def documents() -> list[Path]:
    """Everything in the project whose words a user or a reader of the code meets."""
    folders = ("dlcli", "examples", "docs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".js", ".html")]
    return sorted([*files, ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_plain_words(path: Path):
    assert not complaints(path)


if __name__ == "__main__":
    chosen = [Path(name) for name in sys.argv[1:]]
    paths = [
        p for c in chosen for p in ([c] if c.is_file() else sorted(c.rglob("*"))) if p.suffix in (".py", ".md", ".js", ".html")
    ]
    lines = [line for path in paths for line in complaints(path)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(bool(lines))
