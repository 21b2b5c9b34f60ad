"""`dlcli train --pretrain` stopped by a signal and resumed is the same to the bit."""

import signal
import time
from pathlib import Path

import pytest

from tests.cli.commands.test_train import weights_of
from tests.conftest import Run, Start

LONG = ("--pretrain", "siamese", "--pretrain-epochs", "25", "--epochs", "1", "--device", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_stopped_in_pre_training_and_resumed_it_ends_with_the_same_bits(
    number: int, start_dlcli: Start, tmp_path: Path, dlcli: Run
):
    with start_dlcli("train", *LONG, "-q", "-o", "run") as process:
        state = tmp_path / "run" / "pretraining.safetensors"
        while process.poll() is None and not state.exists():
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    assert not (tmp_path / "run" / "model.json").exists()
    done = dlcli("train", *LONG, "-o", "run", "--resume")
    assert done.returncode == 0, done.stderr
    whole = dlcli("train", *LONG, "-q", "-o", "whole")
    assert whole.returncode == 0, whole.stderr
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")
    assert not state.exists()
