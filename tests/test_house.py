"""What holds for every module of the package: names that stand once, docstrings in sections, messages without flags.

`python tests/test_house.py PATH...` lists what it finds in the given files and folders.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dlcli"
MODULES = sorted(PACKAGE.rglob("*.py"))

_REPOSITORY = re.compile(r"\b(docs|examples|benchmarks)/[\w/-]+\.(md|py)|\bREADME\b")
_FLAG = re.compile(r"(?<![\w-])--[a-z]")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(tree: ast.Module) -> Iterator[Function]:
    """Functions of a module and methods of its public classes that a caller elsewhere may use."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (inner for inner in node.body if isinstance(inner, Function))


def undocumented(path: Path) -> Iterator[str]:
    """Public functions of more than three parameters, or that return a tuple, whose docstring has no such section."""
    for node in public_functions(ast.parse(path.read_text(encoding="utf-8"))):
        if node.name.startswith("_"):
            continue
        parameters = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        many = len([name for name in parameters if name not in ("self", "cls")]) > 3
        several = node.returns is not None and re.match(r"tuple\[(?!.*\.\.\.\]$)", ast.unparse(node.returns))
        text = ast.get_docstring(node) or ""
        if _overrides(node, text):
            continue
        if many and "\nArgs:\n" not in text:
            yield f"{path}:{node.lineno}: {node.name} has no Args section"
        if several and "\nReturns:\n" not in text:
            yield f"{path}:{node.lineno}: {node.name} has no Returns section"
        if (many or several) and re.search(r"\bRaises [A-Z]\w+Error", text):
            yield f"{path}:{node.lineno}: {node.name} has no Raises section for what it raises"


def _overrides(node: Function, text: str) -> bool:
    """A method that implements one of a base class or protocol, which documents it, needs a line of its own at most."""
    marked = any("override" in ast.unparse(decorator) for decorator in node.decorator_list)
    return (marked or re.search(r"\bsee `\w+`", text) is not None) and "\n" not in text.strip()


def flags(path: Path) -> Iterator[str]:
    """Messages below the command line that spell a flag instead of naming a field."""
    for node in _texts(ast.parse(path.read_text(encoding="utf-8"))):
        if _FLAG.search(node.value):
            yield f"{path}:{node.lineno}: {node.value[:60]!r} spells a flag; name the field in backticks"


def _texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Strings that are no docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def files_elsewhere(path: Path) -> Iterator[str]:
    """Texts for users that name a file of the repository, which an installed package does not have."""
    for node in _texts(ast.parse(path.read_text(encoding="utf-8"))):
        if _REPOSITORY.search(node.value):
            yield f"{path}:{node.lineno}: {node.value[:60]!r} names a file that only the repository has"


_BELOW = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in ("core", "engines", "specs", "support")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_have_sections(path: Path):
    assert not list(undocumented(path))


def test_the_docstring_of_a_module_says_more_than_its_name():
    first = {path: (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[:1] for path in MODULES}
    assert not [str(path.relative_to(ROOT)) for path, lines in first.items() if len(" ".join(lines).split()) < 3]


@pytest.mark.parametrize("path", _BELOW, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_spells_flags(path: Path):
    assert not list(flags(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_messages_name_no_file_of_the_repository(path: Path):
    assert not list(files_elsewhere(path))


_PLURAL = re.compile(
    r" (?:[a-z]+ )?(?:images|examples|sequences|videos|members|seeds|networks|epochs|rows|outputs|corruptions|predictions)\b"
)


def plurals(path: Path) -> Iterator[str]:
    """Numbers that may be 1 before a plural in an f-string, where `count` of support/plural.py belongs."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for number, text, *rest in _windows(node.values) if isinstance(node, ast.JoinedStr) else ():
            if not (isinstance(number, ast.FormattedValue) and isinstance(text, ast.Constant)) or not _may_be_one(number):
                continue
            if _PLURAL.match(text.value) or (_ends_in_s(rest) and re.fullmatch(r" (?:[a-z]+ )?", text.value)):
                yield f"{path}:{node.lineno}: {ast.unparse(number.value)}{text.value[:20]}"


def _ends_in_s(values: list[ast.expr]) -> bool:
    """Whether one or two values, such as `{split} {unit}`, are followed by the s of a plural."""
    texts = [one.value if isinstance(one, ast.Constant) else None for one in values]
    place = 3 if texts[:3] == [None, " ", None] else 1
    return texts[:1] == [None] and re.match(r"s\b", str((texts + [""] * 4)[place] or "")) is not None


def _windows(values: list[ast.expr]) -> Iterator[list[ast.expr]]:
    return (values[k : k + 6] for k in range(len(values) - 1))


def _may_be_one(number: ast.FormattedValue) -> bool:
    """Whether it is a number with separators for thousands, but no constant and no difference, as of rows that are left."""
    grouped = number.format_spec is not None and "," in ast.unparse(number.format_spec)
    return grouped and isinstance(number.value, (ast.Attribute, ast.Name, ast.Call)) and not ast.unparse(number.value).isupper()


_MORE_ROWS = PACKAGE / "cli" / "layout.py"
"""Names rows that are hidden, of which there are two at least."""


@pytest.mark.parametrize("path", [one for one in MODULES if one != _MORE_ROWS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_single_thing_has_no_plural(path: Path):
    assert not list(plurals(path))


def test_a_class_name_stands_once():
    places: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: where for name, where in places.items() if len(where) > 1}


@pytest.mark.parametrize(
    "folder",
    [
        "core/attacks/methods",
        "core/data/sources",
        "core/explain/methods",
        "core/inflate/rules",
        "core/models/hubs",
        "core/models/zoo",
        "core/pairs/scorers",
        "core/run_log/writers",
        "core/surgery/operations",
        "core/text/vectors/encoders",
    ],
)
def test_a_registry_holds_its_entries_and_nothing_else(folder: str):
    names = [path.stem for path in (PACKAGE / folder).glob("*.py") if path.stem != "__init__"]
    assert names
    assert not [name for name in names if name.startswith("_") or name == "base"]


if __name__ == "__main__":
    chosen = [Path(name) for name in sys.argv[1:]]
    paths = [p for c in chosen for p in ([c] if c.is_file() else sorted(c.rglob("*.py")))]
    checks: tuple[Callable[[Path], Iterator[str]], ...] = (undocumented, flags)
    lines = [line for path in paths for check in checks for line in check(path)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(bool(lines))
