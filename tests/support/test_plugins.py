"""Packages that bring entries of registries, built as wheels and installed as users install them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.data import open_data
from dlcli.core.text.vectors import check_vectors
from dlcli.support.errors import InputError, MissingInputError, UsageError
from dlcli.support.registry import PLUGIN_GROUPS, Registry
from tests.conftest import ROOT, Run

_ATTACK = '''"""`grey-step`: move every pixel towards grey."""

import os
from dataclasses import dataclass
from pathlib import Path

from dlcli.core.attacks.base import SingleStep

if "IMPORTED" in os.environ:
    Path(os.environ["IMPORTED"]).touch()


@dataclass(frozen=True)
class GreyStep(SingleStep):
    def run(self, model, x, y, targets, *, threat, generators):
        return x + (0.5 - x).clamp(-threat.eps, threat.eps)


ATTACK = GreyStep()
'''
_DATA = '''"""Digits, upside down."""

from dlcli.core.data import open_data

DESCRIPTION = "upside:down"


def claims(spec):
    return spec == "upside:down"


def load(spec, options):
    from dataclasses import replace

    data = open_data("digits")
    return replace(data, x_train=data.x_train.flip(2), x_test=data.x_test.flip(2), name=spec)
'''
_PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "grey-attacks"
version = "1.0"

[project.entry-points."dlcli.attacks"]
grey-step = "grey_attacks.grey_step"
fgsm = "grey_attacks.fgsm"
broken = "grey_attacks.broken"
empty = "grey_attacks.empty"
other-name = "grey_attacks.empty"

[project.entry-points."dlcli.data"]
upside = "grey_attacks.upside"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel is installed into."""
    pytest.importorskip("setuptools")
    project, target = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("installed")
    package = project / "grey_attacks"
    package.mkdir()
    (project / "pyproject.toml").write_text(_PROJECT)
    files = {"grey_step": _ATTACK, "upside": _DATA, "fgsm": "raise SystemError\n", "broken": "import no_such_package\n"}
    for name, text in {"__init__": "", "empty": "", **files}.items():
        (package / f"{name}.py").write_text(text)
    build = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=project, check=True, capture_output=True)
    (wheel,) = project.glob("*.whl")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", target, wheel]
    subprocess.run(command, check=True, capture_output=True)
    return target


@pytest.fixture
def on_path(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed)


def test_an_attack_of_another_package_is_one_of_the_choices(
    dlcli: Run, environment: dict[str, str], installed: Path, tmp_path: Path
):
    mark = tmp_path / "imported"
    path = os.pathsep.join([str(installed), str(ROOT)])
    with_plugin = {"env": {**environment, "PYTHONPATH": path, "IMPORTED": str(mark)}}
    assert b"grey-step" in b"".join(dlcli("attack", "--help", **with_plugin).stdout.split())
    listed = dlcli("list", "attacks", "--format", "csv", **with_plugin).stdout.decode()
    assert "attacks,grey-step,move every pixel towards grey (of the package grey_attacks)," in listed
    asked = {"_DLCLI_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    asked["_TYPER_COMPLETE_ARGS"] = "dlcli attack --method gre"
    assert b"grey-step" in dlcli(env=with_plugin["env"] | asked).stdout
    assert not mark.exists()
    done = dlcli("attack", "--method", "grey-step", "--limit", "20", "--format", "csv", **with_plugin)
    assert (done.returncode, mark.exists()) == (0, True), done.stderr
    assert done.stdout.count(b"\n") == 2


@pytest.mark.usefixtures("on_path")
def test_a_plugin_that_fails_is_an_error_that_names_its_package():
    for name, words in (
        ("broken", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("empty", "does not define ATTACK"),
        ("other-name", "grey_attacks.empty is not called other_name"),
    ):
        with pytest.raises(
            InputError, match=f"the attack '{name}' of the package grey_attacks cannot be used: .*{words}"
        ) as error:
            load_attack(name)
        assert "\n" not in error.value.message
        assert "pip uninstall grey_attacks" in error.value.hint


@pytest.mark.parametrize("name", ["SCORED", "DEVICE"])
def test_vectors_of_another_package_define_all_that_is_asked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = (ROOT / "dlcli/core/text/vectors/encoders/tfidf.py").read_text()
    module = f"without_{name.lower()}"
    (tmp_path / f"{module}.py").write_text("\n".join(line for line in source.splitlines() if not line.startswith(f"{name} =")))
    (tmp_path / "letters-1.dist-info").mkdir()
    entry = f"[dlcli.vectors]\n{module.replace('_', '-')} = {module}\n"
    (tmp_path / "letters-1.dist-info" / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=f"{module} does not define {name}"):
        check_vectors(module.replace("_", "-"))


@pytest.mark.usefixtures("on_path")
def test_a_plugin_does_not_replace_what_is_there():
    assert type(load_attack("fgsm")).__module__ == "dlcli.core.attacks.methods.fgsm"
    assert "fgsm" not in REGISTRY.plugins()
    assert load_attack("grey-step").name == "grey-step"
    with pytest.raises(UsageError, match="no attack is called 'gray-step'") as error:
        load_attack("gray-step")
    assert "grey-step" in error.value.hint


@pytest.mark.usefixtures("on_path")
def test_a_data_source_of_another_package_is_asked_about_its_own_names():
    assert "upside" in Registry("data source", "dlcli.core.data.sources").names()
    found, digits = open_data("upside:down"), open_data("digits")
    assert found.name == "upside:down"
    assert bool((found.x_test.flip(2) == digits.x_test).all())
    with pytest.raises(MissingInputError, match="no such dataset"):
        open_data("upside:up")


def test_each_group_has_its_registry():
    for package, (group, needed) in PLUGIN_GROUPS.items():
        registry = Registry("entry", package)
        assert group.startswith("dlcli.")
        assert not registry.plugins()
        for name in registry.own_names():
            assert all(hasattr(registry.module(name), one) for one in needed), name
