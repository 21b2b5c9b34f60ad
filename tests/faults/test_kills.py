"""Runs that are killed at random moments: the same command line goes on to the same bytes, and nothing else is left."""

import json
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Start

COMMANDS = {
    "train": ["train", "--epochs", "2", "--limit", "200", "--dev", "0.2", "--early-stop", "loss"],
    "semi": ["train", "--labels", "40", "--semi", "gumbel-st", "--steps-per-epoch", "100", "--epochs", "3", "--limit", "200"],
    "ensemble": ["ensemble", "--epochs", "2", "--members", "2", "--limit", "200", "--workers", "1"],
}


def content(folder: Path) -> dict[str, bytes]:
    """All files but the record, which holds times."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    found.pop("run.json", None)
    return found


def figures(folder: Path) -> list[object]:
    rows = json.loads((folder / "run.json").read_text())["result"]["rows"]
    return [{name: value for name, value in row.items() if name not in ("seconds", "cpu_seconds")} for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_random_the_same_line_ends_in_the_same_bytes(start_dlcli: Start, tmp_path: Path, command: str):
    words = [*COMMANDS[command], "--device", "cpu", "-q", "--resume", "-o"]
    with open(os.devnull, "r+b") as null:
        silent = dict.fromkeys(("stdin", "stdout", "stderr"), null.fileno())
        _kill_and_resume(partial(start_dlcli, **silent), words, tmp_path)


def _kill_and_resume(start: Start, words: list[str], place: Path) -> None:
    started = time.monotonic()
    assert start(*words, "whole").wait(300) == 0
    took, rng = time.monotonic() - started, random.Random(words[0])
    for number in range(2):
        name = f"killed-{number}"
        for _ in range(2):
            process = start(*words, name)
            time.sleep(rng.uniform(0.3, 1.0) * took)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        assert start(*words, name).wait(300) == 0
        assert content(place / name) == content(place / "whole")
        assert figures(place / name) == figures(place / "whole")
        assert start(*words, name).wait(300) == 0
        assert content(place / name) == content(place / "whole")
