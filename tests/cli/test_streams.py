"""Standard streams that are closed or full, and paths that are empty or impossible, in real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = f"{sys.executable} -P -m dlcli"


def shell(line: str, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=place, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=100
    )


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"{COMMAND} dedupe questions -q -o o.csv >&-", 0),
        (f"{COMMAND} dedupe questions -q -o o.csv 2>&-", 0),
        (f"{COMMAND} dedupe questions -o o.csv <&- >&- 2>&-", 0),
        (f"{COMMAND} dedupe questions -o o.csv 2> /dev/full", 0),
        (f"{COMMAND} dedupe - <&-", 3),
        (f"{COMMAND} dedupe nowhere.csv 2>&-", 3),
        (f"{COMMAND} dedupe questions -q > /dev/full", 5),
        (f"{COMMAND} dedupe questions -q >&-", 5),
        (f"{COMMAND} dedupe questions -q -o /dev/stdout --format csv >&-", 5),
        (f"{COMMAND} dedupe questions -n >&-", 5),
        (f"{COMMAND} dedupe --help >&-", 5),
        (f"{COMMAND} dedupe --print-config >&-", 5),
        (f"{COMMAND} list losses > /dev/full", 5),
        (f"{COMMAND} list losses >&-", 5),
        (f"{COMMAND} info >&-", 5),
        (f"{COMMAND} --version >&-", 5),
    ],
)
def test_streams(tmp_path: Path, line: str, status: int):
    done = shell(line, tmp_path)
    assert done.returncode == status and "Traceback" not in done.stderr
    assert not status or len(done.stderr.splitlines()) <= 1
    assert status != 5 or "standard output" in done.stderr
    if status == 0 and "-o o.csv" in line:
        assert (tmp_path / "o.csv").stat().st_size > 1000


@pytest.mark.parametrize(("where", "status"), [("> /dev/full", 5), ("| true", 0), (">&-", 5)])
def test_the_record_is_there_whatever_becomes_of_the_output(tmp_path: Path, where: str, status: int):
    (tmp_path / "t.csv").write_text("truth,label\na,a\nb,a\n")
    assert shell(f"{COMMAND} eval t.csv -o out {where}", tmp_path).returncode == status
    checked = shell(f"{COMMAND} verify out", tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_standard_output_named_as_the_output_is_written_to(tmp_path: Path):
    named = shell(f"{COMMAND} dedupe questions -q -o /dev/stdout --format csv | cat", tmp_path)
    assert named.stdout == shell(f"{COMMAND} dedupe questions -q --format csv", tmp_path).stdout != ""


@pytest.mark.parametrize("word", ["-o ''", "--output ''", "--output="])
@pytest.mark.parametrize("command", ["train --epochs 1", "dedupe questions"])
def test_an_empty_path_is_refused(tmp_path: Path, command: str, word: str):
    done = shell(f"{COMMAND} {command} {word}", tmp_path)
    assert done.returncode == 2 and "the path is empty" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "status", "message"),
    [
        ("/proc/x.csv", 5, "/proc/x.csv: cannot be written: "),
        ("table.csv/x.csv", 5, "table.csv: is a file, not a folder (name another place)"),
        ("folder", 2, "is a folder"),
        ("loop.csv", 3, "loop.csv"),
        ("a" * 5000 + ".csv", 3, "file name too long"),
    ],
)
def test_impossible_outputs(tmp_path: Path, output: str, status: int, message: str):
    (tmp_path / "folder").mkdir()
    (tmp_path / "table.csv").write_text("text\n")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    done = shell(f"{COMMAND} dedupe questions -q -o {output} --format csv", tmp_path)
    (line,) = done.stderr.splitlines()
    assert done.returncode == status and message in line and len(line) < 1000


def test_signals_that_follow_each_other_at_once_give_one_line(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "dlcli", "train", "--epochs", "500", "-o", "r"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    for _ in range(600):
        if (tmp_path / "r" / "state.safetensors").exists():
            break
        time.sleep(0.1)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
