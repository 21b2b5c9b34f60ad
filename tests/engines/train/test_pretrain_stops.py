"""Pre-training stopped at any step, once or twice, ends with the weights of an uninterrupted one; what cannot be resumed."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.engines import train
from dlcli.support.errors import InputError, UsageError
from tests.engines.train.test_pretrain import Stopping, config

SHORT = {"limit": 40, "labels": 20, "batch_size": 8, "pretrain_epochs": 3, "epochs": 1}
"""Fifteen steps of pre-training, and three of training."""


@cache
def whole(method: str) -> str:
    return train.run(config(pretrain=method, **SHORT)).rows[0].weights_sha256


@given(method=st.sampled_from(["simclr", "siamese"]), stops=st.lists(st.integers(0, 17), min_size=1, max_size=2))
@settings(max_examples=5, deadline=None)
def test_any_step_resumes_to_the_bit(method: str, stops: list[int]):
    with TemporaryDirectory() as folder:
        chosen = {"pretrain": method, **SHORT, "output": Path(folder) / "run"}
        for number, after in enumerate(stops):
            train.run(config(**chosen, resume=number > 0), report=Stopping(after))
        again = train.run(config(**chosen, resume=True))
    assert again.rows[0].weights_sha256 == whole(method)


def test_a_finished_pre_training_is_resumed_with_its_options_only(tmp_path: Path):
    chosen = {"pretrain": "simclr", **SHORT, "output": tmp_path / "run"}
    train.run(config(**chosen), report=Stopping(15))
    for other in ({"pretrain_epochs": 4}, {"pretrain": "vicreg"}, {"pretrain": "none", "pretrain_epochs": None}):
        with pytest.raises(UsageError, match="was started with"):
            train.run(config(**{**chosen, **other}, resume=True))
    assert train.run(config(**chosen, resume=True)).rows[0].weights_sha256 == whole("simclr")


@pytest.mark.parametrize("method", ["siamese", "simclr"])
def test_one_class_is_refused(tmp_path: Path, method: str):
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    y = np.zeros(30, int)
    np.savez(tmp_path / "one.npz", x_train=x[:30], y_train=y, x_test=x[30:], y_test=y[:10])
    with pytest.raises(InputError, match="at least two classes are needed"):
        train.run(config(data=str(tmp_path / "one.npz"), pretrain=method, limit=None))
