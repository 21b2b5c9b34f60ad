"""Test images that training has seen: told in eval and train, with the accuracy without them."""

from pathlib import Path

import numpy as np
import pytest

from dlcli.engines import eval, train
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from tests.sequences import waves, write_ts

COPIES = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise with random labels, which can only be memorised; a third of the test images are training images."""
    source = np.random.default_rng(0)
    x, y = source.random((60, 8, 8, 1)).astype(np.float32), np.arange(60) % 3
    others = source.random((40, 8, 8, 1)).astype(np.float32)
    x_test, y_test = np.concatenate([x[:COPIES], others]), np.concatenate([y[:COPIES], np.arange(40) % 3])
    path = tmp_path_factory.mktemp("leaks") / "noise.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    np.savez(path.with_name("test-only.npz"), x_test=x_test, y_test=y_test)
    return path


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    folder = data.with_name("run")
    result = train.run(
        TrainConfig(data=str(data), model="mlp", epochs=60, batch_size=10, lr=0.003, device="cpu", output=folder)
    )
    assert any(
        "20 test images of 60 have near duplicates among the training images, such as 0 and 0" in one for one in result.notes
    )
    return folder


def test_what_is_memorised_is_told_apart(data: Path, run: Path):
    page = data.with_name("page")
    result = eval.run(EvalConfig(model=str(run), data=str(data), output=page))
    assert isinstance(result, EvalResult) and result.leaks is not None
    assert "near duplicates among the training images, each beside its duplicate" in (page / "report.html").read_text()
    found = result.leaks
    assert [(one.index, one.training_index) for one in found.pairs] == [(k, k) for k in range(COPIES)]
    assert (found.n, found.count) == (60, COPIES) and found.without is not None and found.gain is not None
    whole = result.metrics[0].estimate.value
    assert found.gain.value == pytest.approx(whole - found.without.value)
    assert found.without.n == 40 and found.without.value < 0.6 and found.gain.established
    alone = data.with_name("alone.npz")
    with np.load(data) as arrays:
        np.savez(alone, x_test=arrays["x_test"][COPIES:], y_test=arrays["y_test"][COPIES:])
    clean = eval.run(EvalConfig(model=str(run), data=str(alone)))
    assert isinstance(clean, EvalResult) and clean.leaks is None
    assert clean.metrics[0].estimate == found.without


def test_where_there_is_nothing_to_find(data: Path, run: Path):
    with pytest.raises(InputError, match="`leaks`: .*test-only.npz has no training images beside the test set"):
        eval.run(EvalConfig(model=str(run), data=str(data.with_name("test-only.npz")), leaks=True))
    on_training = eval.run(EvalConfig(model=str(run), data=str(data), split="train"))
    assert isinstance(on_training, EvalResult) and on_training.leaks is None
    digits = eval.run(EvalConfig(leaks=True))
    assert isinstance(digits, EvalResult) and digits.leaks is not None and digits.leaks.count == 0
    assert not any("near duplicate" in note for note in digits.notes)
    with pytest.raises(UsageError, match="`leaks` and `summary` cannot be combined"):
        EvalConfig(summary=True, leaks=True)


def test_videos_and_sequences_are_refused_by_name(tmp_path: Path):
    """Nothing is said of them, which the page of decisions tells."""
    write_ts(tmp_path / "W_TRAIN.ts", *waves(12, seed=1))
    write_ts(tmp_path / "W_TEST.ts", *waves(12, seed=2))
    quick = {"model": "tcn:1:4", "epochs": 1, "device": "cpu", "output": tmp_path / "run"}
    train.run(TrainConfig(data=str(tmp_path / "W_TRAIN.ts"), task="sequence", **quick))
    with pytest.raises(InputError, match="`leaks`: near duplicates are found among images, and .* holds sequences"):
        eval.run(EvalConfig(model=str(tmp_path / "run"), data=str(tmp_path / "W_TRAIN.ts"), leaks=True))
