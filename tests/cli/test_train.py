"""`dlcli train` stopped from outside: nothing is lost, and what it continues to is the same to the bit."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import DLCLI, Run

LONG = ("--epochs", "25", "--device", "cpu")


def weights_of(folder: Path) -> str:
    return json.loads((folder / "model.json").read_text())["weights_sha256"]


@pytest.fixture(scope="module")
def whole(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run([*DLCLI, "train", *LONG, "-q", "-o", folder / "run"], env=environment, check=True, capture_output=True)
    return weights_of(folder / "run")


def stopped(arguments: list[str], environment: dict[str, str], folder: Path, number: int, after: float) -> int:
    """Start, wait until the first epoch is saved and then some, send the signal; the exit status."""
    command = [*DLCLI, "train", *LONG, "-q", "-o", "run", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        state, seen = folder / "run" / "state.safetensors", None
        before = state.stat().st_mtime_ns if state.exists() else None
        while process.poll() is None and (seen is None or seen == before):
            time.sleep(0.01)
            seen = state.stat().st_mtime_ns if state.exists() else None
        time.sleep(after)
        process.send_signal(number)
        process.communicate()
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_stopped_twice_and_resumed_it_ends_with_the_same_bits(
    number: int, whole: str, environment: dict[str, str], tmp_path: Path, dlcli: Run
):
    expected = 143 if number == signal.SIGTERM else -signal.SIGKILL
    for arguments, after in (([], 0.03), (["--resume"], 0.07)):
        assert stopped(arguments, environment, tmp_path, number, after) == expected
        assert not (tmp_path / "run" / "model.json").exists()
    done = dlcli("train", *LONG, "-o", "run", "--resume")
    assert done.returncode == 0, done.stderr
    assert weights_of(tmp_path / "run") == whole
    assert not (tmp_path / "run" / "state.safetensors").exists()


def test_without_a_folder_the_next_free_name_is_taken(dlcli: Run, tmp_path: Path):
    for name in ("digits", "digits-2"):
        assert dlcli("train", "--epochs", "1", "--device", "cpu", "-q").returncode == 0
        assert (tmp_path / "runs" / name / "model.json").exists()


def test_with_is_repeated_in_order_and_read_from_files(dlcli: Run, tmp_path: Path):
    (tmp_path / "options.toml").write_text('[train]\nwith = ["elu", "init=he"]\n')
    file = dlcli("train", "--config", "options.toml", "--print-config").stdout
    typed = dlcli("train", "--with", "elu", "--with", "init=he", "--print-config").stdout
    assert b'with = ["elu", "init=he"]' in file and file == typed
