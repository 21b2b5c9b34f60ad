"""Regenerate docs/cli.md and docs/man from --help, facts in docs/attacks.md, dlcli/__init__.pyi, and transcripts in README.md.

In docs/attacks.md, the text between `<!-- generated: NAME -->` and `<!-- end -->` describes that attack; `all` is a table of
all of them. A transcript is a fenced `console` block: each line that starts with `$ ` is run by sh in an empty folder, and its
output on a terminal of 80 columns replaces the lines below it.

`--reference` skips the transcripts, which take minutes; `--check` only compares the others.
"""

import os
import pty
import re
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import manual

from dlcli.api.stub import stub
from dlcli.cli.command import COMMANDS
from dlcli.cli.layout import wrapped
from dlcli.core.attacks import REGISTRY, load_attack

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("DLCLI_")},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "COLUMNS": "80",
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
    "NO_COLOR": "1",
}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PROGRESS = re.compile(r".+: [\d,]+ of [\d,]+(, .*)?")
"""A line of progress, which a terminal shows as a bar that goes, and a slow machine prints every few seconds."""
_GENERATED = re.compile(r"(<!-- generated: (\S+) -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)


def on_terminal(line: str, folder: Path) -> tuple[int, str]:
    """Exit status and output of a line of sh whose standard output is a terminal; standard error follows it, as plain lines."""
    parent, child = pty.openpty()
    command = ["sh", "-c", line]
    process = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=child, stderr=subprocess.PIPE
    )
    os.close(child)
    seen = b""
    while True:
        try:
            more = os.read(parent, 65536)
        except OSError:  # the program has closed its end
            break
        seen += more
    os.close(parent)
    errors = process.communicate()[1]
    notes = [text for text in errors.decode().splitlines() if not _PROGRESS.fullmatch(text)]
    folded = (part for text in notes for part in wrapped(text, int(ENVIRONMENT["COLUMNS"])))
    text = _ESCAPES.sub("", seen.decode()).replace("\r\n", "\n") + "\n".join(folded)
    return process.returncode, "\n".join(part.rstrip() for part in text.strip("\n").splitlines())


def transcript(block: str, folder: Path) -> str:
    """The block with the current output of every command; an exit status other than 0 is an error."""
    lines = []
    for command in re.findall(r"^\$ (.*)$", block, flags=re.MULTILINE):
        status, text = on_terminal(command, folder)
        if status:
            sys.exit(f"{command}: exit status {status}\n{text}")
        lines += [f"$ {command}", *text.splitlines()]
    return "\n".join(lines) + "\n"


def readme(text: str) -> str:
    """The README with every transcript regenerated."""
    with tempfile.TemporaryDirectory() as name:
        return re.sub(
            r"(?<=^```console\n)(.*?)(?=^```$)",
            lambda found: transcript(found[1], Path(name)),
            text,
            flags=re.MULTILINE | re.DOTALL,
        )


def reference() -> str:
    """docs/cli.md: the help of every command."""
    environment = {**ENVIRONMENT, "COLUMNS": "100"}
    parts = ["# The command line\n\nGenerated from `--help`; `make docs` regenerates it.\n"]
    for name in ["", *COMMANDS]:
        command = f"dlcli {name}".strip()
        shown = subprocess.run(["sh", "-c", f"{command} --help"], env=environment, capture_output=True, text=True, check=True)
        parts.append(f"## {command}\n\n```text\n{shown.stdout.rstrip()}\n```\n")
    return "\n".join(parts)


def attacks(text: str) -> str:
    """docs/attacks.md with its facts regenerated."""
    return _GENERATED.sub(lambda found: found[1] + (_table() if found[2] == "all" else _facts(found[2])), text)


def _table() -> str:
    head = "| attack | uses | norms | targets | classes |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(f"| [{name}](#{name}) | {' | '.join(_abilities(name).values())} |\n" for name in REGISTRY.names())


def _facts(name: str) -> str:
    attack = load_attack(name)
    settings = [f"`{field.name}={getattr(attack, field.name)}`" for field in fields(attack)]
    found = {**_abilities(name), "settings": ", ".join(settings) or "none"}
    return " ".join(f"**{key.capitalize()}** {value}." for key, value in found.items()) + "\n"


def _abilities(name: str) -> dict[str, str]:
    attack = load_attack(name)
    return {
        "uses": attack.knowledge,
        "norms": ", ".join(attack.norms),
        "targets": "yes" if attack.targeted else "no",
        "classes": f"{attack.min_classes} or more",
    }


def main() -> None:
    """Write the documents, or with --check fail if they are not current."""
    made = {ROOT / "docs" / "cli.md": reference(), (path := ROOT / "docs" / "attacks.md"): attacks(path.read_text())}
    made[ROOT / "dlcli" / "__init__.pyi"] = stub()
    made |= {ROOT / "docs" / "man" / name: page for name, page in manual.pages().items()}
    if sys.argv[1:] == ["--check"]:
        old = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
        sys.exit(f"docs: {' and '.join(old)} not current: run make docs" if old else 0)
    for path, text in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    if sys.argv[1:] != ["--reference"]:
        (ROOT / "README.md").write_text(readme((ROOT / "README.md").read_text()))


if __name__ == "__main__":
    main()
