"""`dlcli ensemble` stopped from outside: the members that are done are kept, and it continues to the same bits."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Run, Start

OPTIONS = ("--members", "4", "--epochs", "6", "--device", "cpu", "-o", "e")


def hashes(folder: Path) -> list[str]:
    return [json.loads(card.read_text())["weights_sha256"] for card in sorted(folder.glob("members/*/model.json"))]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_stopped_it_loses_the_members_in_flight_only(number: int, start_dlcli: Start, tmp_path: Path, dlcli: Run):
    with start_dlcli("ensemble", *OPTIONS, "-q") as process:
        while process.poll() is None and not hashes(tmp_path / "e"):
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    kept = hashes(tmp_path / "e")
    assert 1 <= len(kept) < 4 and not (tmp_path / "e" / "ensemble.json").exists()
    refused = dlcli("ensemble", *OPTIONS)
    assert refused.returncode == 2 and b"continue it with --resume" in refused.stderr
    done = dlcli("ensemble", *OPTIONS, "--resume")
    assert done.returncode == 0, done.stderr
    assert [one["reused"] for one in json.loads(done.stdout)["members"]] == [True] * len(kept) + [False] * (4 - len(kept))
    whole = dlcli("ensemble", *OPTIONS[:-1], "whole")
    assert whole.returncode == 0 and hashes(tmp_path / "whole") == hashes(tmp_path / "e")


def test_the_folder_is_a_model_to_the_other_commands(tmp_path: Path, dlcli: Run):
    made = dlcli("ensemble", "--members", "2", "--epochs", "1", "--device", "cpu", "-o", "e", "--rule", "max")
    assert made.returncode == 0, made.stderr
    accuracy = json.loads(made.stdout)["headline"]["accuracy"]["value"]
    judged = dlcli("eval", "e", "--device", "cpu")
    assert judged.returncode == 0, judged.stderr
    assert json.loads(judged.stdout)["metrics"][0]["estimate"]["value"] == accuracy
    labelled = dlcli("predict", "e", "--device", "cpu", "--ensemble", "vote", "--limit", "5")
    assert labelled.returncode == 0 and len(labelled.stdout.splitlines()) == 6
    refused = dlcli("eval", "e/members/000", "--ensemble", "max")
    assert refused.returncode == 2 and b"is not an ensemble" in refused.stderr
