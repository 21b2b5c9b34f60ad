"""What pyproject.toml asks for: nothing that is not imported, and no versions with known faults in what reads files."""

import ast
import re
import tomllib

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name not in ("dev", "docs")}
MODULES = {"scikit-learn": "sklearn", "pillow": "PIL", "mlflow-skinny": "mlflow"}
"""Modules of packages that are called otherwise."""
# The version that fixed the last advisory about a reader: of images, checkpoints, programs, and locks through links.
FIXED = {
    "pillow": (12, 3),
    "torch": (2, 11),
    "onnx": (1, 21),
    "pyarrow": (14, 0, 1),
    "filelock": (3, 20, 3),
    "scikit-learn": (1, 5),
}


def named(line: str) -> str:
    return re.match(r"[\w-]+", line)[0]


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The parts of each module that the package imports, by statement or by a name in quotes."""
    found: set[str] = set()
    for path in (ROOT / "dlcli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {part for name in node.names for part in name.name.split(".")}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= set(node.module.split("."))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *sum(EXTRAS.values(), [])], ids=named)
def test_what_is_installed_is_imported(imported: set[str], line: str):
    assert MODULES.get(named(line), named(line).replace("-", "_")) in imported


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *sum(EXTRAS.values(), [])], ids=named)
def test_each_has_a_floor_above_known_faults(line: str):
    floor = re.match(r"[\w-]+>=([\d.]+)", line)
    assert floor and tuple(map(int, floor[1].split("."))) >= FIXED.get(named(line), ())
