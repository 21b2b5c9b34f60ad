"""Code of the user: what is imported, and that a recorded network gets the very files that it was made with."""

import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from dlcli.core.models import code
from dlcli.core.models.code import RecordedCode, code_files, import_code
from dlcli.support.errors import InputError
from dlcli.support.fingerprints import file_sha256
from dlcli.support.trust import Trust, trusting

NETS = """
from pathlib import Path
from {helper} import WIDTH
Path(__file__).with_name("MARK").touch()
def build(classes): return WIDTH
"""


@pytest.fixture
def nets(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    # A name of its own for each test: Python imports a module of one name only once.
    helper = f"helper_{abs(hash(request.node.name))}"
    (tmp_path / f"{helper}.py").write_text("WIDTH = 3\n")
    (tmp_path / "nets.py").write_text(NETS.format(helper=helper))
    return tmp_path / "nets.py"


def mark(nets: Path) -> bool:
    found = (nets.parent / "MARK").exists()
    (nets.parent / "MARK").unlink(missing_ok=True)
    return found


def helper_of(nets: Path) -> Path:
    return next(nets.parent.glob("helper_*.py"))


def recorded(nets: Path) -> RecordedCode:
    return RecordedCode("card.json", {path.name: file_sha256(path) for path in (nets, helper_of(nets))})


def test_all_files_of_the_code_are_recorded_relative_to_the_first(nets: Path):
    assert code_files(f"{nets}:build") == recorded(nets).files and mark(nets)
    assert code_files(f"frame-mlp:{nets}:build") == recorded(nets).files
    assert code_files("digits-net") == {} and code_files("timm:resnet18") == {}


@pytest.mark.parametrize("trust", [Trust(frozenset(), False), Trust(frozenset({"other.py:build"}), False)])
def test_code_that_was_not_named_is_not_imported(nets: Path, trust: Trust):
    with trusting(trust), pytest.raises(InputError, match="card.json: the network is code, .* not named on the command line"):
        import_code(f"{nets}:build", recorded(nets))
    with trusting(trust), pytest.raises(InputError, match="not named on the command line"):
        import_code(f"{nets}:build")
    assert not mark(nets)


def test_code_is_imported_if_it_was_named_or_recorded_code_is_trusted(nets: Path):
    spec = f"{nets}:build"
    for trust in (Trust(frozenset({spec}), False), Trust(frozenset(), True), None):
        with trusting(trust):
            assert import_code(spec, recorded(nets)).build(10) == 3 and mark(nets)


@pytest.mark.parametrize("which", ["nets", "helper", "gone", "unrecorded", "none"])
def test_changed_code_is_refused_before_any_of_it_runs(nets: Path, which: str):
    known = recorded(nets)
    if which == "none":
        known = RecordedCode("card.json", {})
    elif which == "unrecorded":
        known = RecordedCode("card.json", {"elsewhere.py": "0" * 64})
    elif which == "gone":
        helper_of(nets).unlink()
    else:
        path = nets if which == "nets" else helper_of(nets)
        path.write_text(path.read_text() + "\n")
    with trusting(Trust(frozenset(), True)), pytest.raises(InputError, match="card.json") as error:
        import_code(f"{nets}:build", known)
    assert not mark(nets) and error.value.hint


def test_files_that_the_recorded_code_did_not_have_are_noticed(nets: Path):
    known = RecordedCode("card.json", {nets.name: file_sha256(nets)})
    with pytest.raises(InputError, match="its files changed"):
        import_code(f"{nets}:build", known)


def test_compiled_files_beside_recorded_code_are_not_run(nets: Path):
    """Python would run a compiled file in place of the source whose hash was compared, if its header says so."""
    known, helper = recorded(nets), helper_of(nets)
    other = nets.parent / "evil.py"
    other.write_text("WIDTH = 666\n")
    cached = Path(py_compile.compile(str(other), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH))
    cached.rename(cached.with_name(cached.name.replace("evil", helper.stem)))
    with trusting(Trust(frozenset(), True)):
        assert import_code(f"{nets}:build", known).build(10) == 3


def test_modules_are_found_without_importing_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "some_package_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("from pathlib import Path\nPath('MARK').touch()\n")
    (package / "nets.py").write_text("def build(): pass\n")
    monkeypatch.chdir(tmp_path)
    known = RecordedCode("card.json", {"nets.py": "0" * 64})
    with trusting(Trust(frozenset(), True)), pytest.raises(InputError, match="is not the code"):
        import_code(f"{package.name}.nets:build", known)
    assert not Path("MARK").exists()
    assert set(code_files(f"{package.name}.nets:build")) == {"nets.py"} and Path("MARK").exists()


def test_code_that_ends_the_program_is_an_error(tmp_path: Path):
    (tmp_path / "nets.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(InputError, match="importing .* failed: SystemExit"):
        import_code(f"{tmp_path / 'nets.py'}:build")


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_packages_of_other_environments_are_not_code_of_the_user(nets: Path, tmp_path: Path, folder: str):
    """An environment that is built upon another one, packages of the system, those of the user."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "installed.py").write_text("DEPTH = 5\n")
    nets.write_text(f"from installed import DEPTH\n{nets.read_text()}")
    program = f"from dlcli.core.models.code import code_files; print(sorted(code_files({f'{nets}:build'!r})))"
    paths = os.pathsep.join([str(tmp_path / folder), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == str(sorted(path.name for path in (nets, helper_of(nets))))


def test_the_source_of_a_built_in_network_does_not_depend_on_what_else_is_loaded():
    imports = "from dlcli.core.models.code import source_sha256; from dlcli.core.models.zoo import digits_net; "
    ways = ("", "import dlcli.engines.attack, dlcli.engines.dedupe, dlcli.specs.predict; ")
    found = {
        subprocess.run(
            [sys.executable, "-c", f"{imports}{way}print(source_sha256(digits_net))"], capture_output=True, check=True
        ).stdout
        for way in ways
    }
    assert len(found) == 1


def test_a_folder_that_begins_as_an_installed_one_is_not_installed(nets: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(code, "_INSTALLED", (*code._INSTALLED, str(helper_of(nets))[:-6]))
    assert set(code_files(f"{nets}:build")) == {nets.name, helper_of(nets).name}
