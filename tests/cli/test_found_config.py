"""Files of options that are found: which one is in effect, what it sets, and what it may not do."""

import tomllib
from pathlib import Path

import pytest

from tests.conftest import Run


@pytest.fixture(name="home")
def _home(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    (tmp_path / "settings" / "dlcli").mkdir(parents=True)
    return {**environment, "XDG_CONFIG_HOME": str(tmp_path / "settings")}


def _seed(dlcli: Run, home: dict[str, str], *words: str) -> int:
    done = dlcli("attack", *words, "--print-config", env=home)
    assert done.returncode == 0, done.stderr
    return int(tomllib.loads(done.stdout.decode())["attack"]["seed"])


def _write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = "tool.dlcli.attack" if path.name == "pyproject.toml" else "attack"
    path.write_text(f"[{table}]\nseed = {seed}\n", encoding="utf-8")


def test_the_nearest_file_is_in_effect(dlcli: Run, home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert _seed(dlcli, home) == 0
    _write(tmp_path / "settings/dlcli/dlcli.toml", 1)
    assert _seed(dlcli, home) == 1
    _write(tmp_path / "pyproject.toml", 2)
    assert _seed(dlcli, home) == 2
    _write(tmp_path / "dlcli.toml", 3)
    assert _seed(dlcli, home) == 3
    _write(tmp_path / "named.toml", 4)
    assert _seed(dlcli, home, "--config", "named.toml") == 4
    assert _seed(dlcli, {**home, "DLCLI_SEED": "5"}) == 5
    assert _seed(dlcli, {**home, "DLCLI_SEED": "5"}, "--seed", "6") == 6
    assert _seed(dlcli, home, "--no-config") == 0
    assert _seed(dlcli, {**home, "DLCLI_NO_CONFIG": "1"}) == 0


@pytest.mark.parametrize("text", ["[tool.other]\ndlcli = 1\n", "dlcli = [\n", "", "tool = 3 # dlcli\n", "\xff\xfe dlcli"])
def test_projects_without_a_table_for_dlcli_set_nothing(text: str, dlcli: Run, home: dict[str, str], tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(text, encoding="latin-1")
    assert _seed(dlcli, home) == 0


def test_a_note_names_the_file_and_what_it_sets(dlcli: Run, home: dict[str, str], tmp_path: Path):
    (tmp_path / "dlcli.toml").write_text("[dedupe]\nkeep-rule = 'longest'\n[attack]\nseed = 2\n")
    done = dlcli("dedupe", "-n", "questions", env=home)
    assert done.stderr.decode() == f"options from {tmp_path / 'dlcli.toml'}: keep-rule\n"
    assert dlcli("dedupe", "-n", "-q", "questions", env=home).stderr == b""
    assert dlcli("dedupe", "-n", "questions", "--keep-rule", "first", env=home).stderr == b""


def test_print_config_tells_where_values_come_from(dlcli: Run, home: dict[str, str], tmp_path: Path):
    _write(tmp_path / "dlcli.toml", 3)
    printed = dlcli("attack", "runs/x", "--print-config", env={**home, "DLCLI_EPS": "8/255"}).stdout.decode().splitlines()
    assert f"seed = 3  # {tmp_path / 'dlcli.toml'}" in printed
    assert 'model = "runs/x"  # command line' in printed
    assert 'eps = "8/255"  # environment' in printed
    assert "strict = false" in printed


def test_a_file_that_is_found_names_no_code(dlcli: Run, home: dict[str, str], tmp_path: Path):
    (tmp_path / "net.py").write_text("open('ran', 'w')\ndef Net(): pass\n")
    (tmp_path / "dlcli.toml").write_text("[eval]\nmodel = 'net.py:Net'\n")
    done = dlcli("eval", env=home)
    assert done.returncode == 2 and b"--trust-code" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_wrong_key_in_a_file_that_is_found_names_the_file(dlcli: Run, home: dict[str, str], tmp_path: Path):
    (tmp_path / "dlcli.toml").write_text("[attack]\nepsilon = 0.1\n")
    done = dlcli("attack", "-n", env=home)
    assert done.returncode == 2
    assert (
        done.stderr.decode()
        == f"dlcli attack: {tmp_path / 'dlcli.toml'}: [attack] has no option 'epsilon' (did you mean eps?)\n"
    )
    assert dlcli("attack", "--help", env=home).returncode == 0
