"""A run that is written beside other files says so."""

from pathlib import Path

import pytest

from tests.conftest import Run


@pytest.mark.parametrize("command", [("train", "--limit", "100"), ("ensemble", "--members", "2", "--limit", "60")])
def test_a_folder_with_other_files_is_noted(dlcli: Run, tmp_path: Path, command: tuple[str, ...]):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    options = ("--model", "mlp", "--data", "digits", "--epochs", "1")
    beside = dlcli(*command, *options, "-o", "photos")
    assert beside.returncode == 0, beside.stderr
    assert b"photos holds 1 file or folder already; the run is written beside" in beside.stderr
    assert b"written beside" not in dlcli(*command, *options, "-o", "new").stderr


def test_a_mistyped_variable_is_named_with_print_config_too(dlcli: Run, environment: dict[str, str]):
    done = dlcli("train", "--print-config", env={**environment, "DLCLI_SEDE": "3"})
    assert done.returncode == 0
    assert b"DLCLI_SEDE" in done.stderr and b"DLCLI_SEED" in done.stderr
