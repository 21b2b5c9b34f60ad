"""`dlcli train` stopped from outside: nothing is lost, and what it continues to is the same to the bit."""

import json
import os
import signal
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import program
from tests.conftest import Run, Start

LONG = ("--epochs", "25", "--device", "cpu")


def weights_of(folder: Path) -> str:
    return json.loads((folder / "model.json").read_text())["weights_sha256"]


@pytest.fixture(scope="module")
def whole(environment: dict[str, str], preloaded: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    assert program.run(["dlcli", "train", *LONG, "-q", "-o", "run"], cwd=folder, env=environment).returncode == 0
    return weights_of(folder / "run")


KNOBS = (
    *(
        "--optimizer",
        "sgd",
        "--momentum",
        "0.8",
        "--lr",
        "0.05",
        "--lr-for",
        "10=0.01",
        "--freeze",
        "0",
        "--weight-decay",
        "0.01",
    ),
    *("--mixup", "0.2", "--cutmix", "1", "--augment", "crop", "--schedule", "plateau:1", "--warmup", "1.5", "--dev", "0.2"),
)


def stopped(arguments: list[str], start_dlcli: Start, folder: Path, number: int, after: float) -> int:
    """Start, wait until the first epoch is saved and then some, send the signal; the exit status."""
    with start_dlcli("train", *LONG, "-q", "-o", "run", *arguments) as process:
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
    number: int, whole: str, start_dlcli: Start, tmp_path: Path, dlcli: Run
):
    expected = 143 if number == signal.SIGTERM else -signal.SIGKILL
    for arguments, after in (([], 0.03), (["--resume"], 0.07)):
        assert stopped(arguments, start_dlcli, tmp_path, number, after) == expected
        assert not (tmp_path / "run" / "model.json").exists()
    done = dlcli("train", *LONG, "-o", "run", "--resume")
    assert done.returncode == 0, done.stderr
    assert weights_of(tmp_path / "run") == whole
    assert not (tmp_path / "run" / "state.safetensors").exists()


@pytest.mark.slow
def test_a_killed_run_with_every_setting_ends_with_the_same_bits(start_dlcli: Start, tmp_path: Path, dlcli: Run):
    whole = dlcli("train", *LONG, *KNOBS, "-q", "-o", "whole")
    assert whole.returncode == 0, whole.stderr
    for arguments, after in (((), 0.03), (("--resume",), 0.07)):
        assert stopped([*KNOBS, *arguments], start_dlcli, tmp_path, signal.SIGKILL, after) == -signal.SIGKILL
    done = dlcli("train", *LONG, *KNOBS, "-o", "run", "--resume")
    assert done.returncode == 0, done.stderr
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")


def test_without_a_folder_the_next_free_name_is_taken(dlcli: Run, tmp_path: Path):
    for name in ("digits", "digits-2"):
        assert dlcli("train", "--epochs", "1", "--device", "cpu", "-q").returncode == 0
        assert (tmp_path / "runs" / name / "model.json").exists()


def test_with_is_repeated_in_order_and_read_from_files(dlcli: Run, tmp_path: Path):
    (tmp_path / "options.toml").write_text('[train]\nwith = ["elu", "init=he"]\n')
    file = dlcli("train", "--config", "options.toml", "--print-config").stdout
    typed = dlcli("train", "--with", "elu", "--with", "init=he", "--print-config").stdout
    assert b'with = ["elu", "init=he"]' in file and tomllib.loads(file.decode()) == tomllib.loads(typed.decode())


def children(pid: int) -> set[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return set(map(int, listed.read_text().split())) if listed.exists() else set()


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def comparison(start_dlcli: Start) -> Iterator[tuple[program.Program, set[int]]]:
    """A comparison that would take long, in a process group of its own, once both workers train; and these workers."""
    if not Path("/proc/self/task").exists():
        pytest.skip("child processes are looked up in /proc, which this system has not")
    options = ("--versus", "--lr 0.001", "--epochs", "100000", "--workers", "2", "--device", "cpu", "-v")
    with start_dlcli("train", *options, new_session=True) as process:
        heard = set()
        while len(heard) < 2 and (line := process.stderr.readline()):  # a line of progress for each network
            heard |= {
                name for name in (b"default --lr, seed 0, ", b"--lr 0.001, seed 0, ") if line.startswith(b"training " + name)
            }
        workers = children(process.pid)
        try:
            assert len(heard) == len(workers) == 2
            yield process, workers
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whole_group", "status"),
    [(signal.SIGTERM, False, 143), (signal.SIGTERM, True, 143), (signal.SIGINT, True, 130)],
    ids=["TERM", "TERM to all", "Ctrl-C"],
)
def test_a_comparison_told_to_stop_leaves_nothing_behind(
    comparison: tuple[program.Program, set[int]], number: int, whole_group: bool, status: int, tmp_path: Path
):
    process, workers = comparison
    (os.killpg if whole_group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status and out == b"", err
    assert b"Traceback" not in err and b"stopped in epoch" in err
    assert not any(alive(pid) for pid in workers)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_comparison_that_is_killed_leaves_no_process_behind(comparison: tuple[program.Program, set[int]]):
    process, workers = comparison
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in workers)


@pytest.mark.slow
def test_a_comparison_whose_worker_is_killed_says_so(comparison: tuple[program.Program, set[int]]):
    process, workers = comparison
    os.kill(next(iter(workers)), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5 and out == b""
    assert err.splitlines()[-1].startswith(b"dlcli train: a worker process was killed by SIGKILL (")
    assert not any(alive(pid) for pid in workers)
