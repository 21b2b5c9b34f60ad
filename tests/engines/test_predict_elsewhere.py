"""`eval` and `predict` in several processes: the logits of one process to the bit, and one message for what is wrong."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from dlcli.engines import eval as evaluation
from dlcli.engines import predict, train
from dlcli.engines.predict_elsewhere import PredictingProcesses, _logits, _Prediction, open_to_predict
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT

NETS = """
import torch
from torch import nn
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
"""
N = 500
"""Examples, which are two parts."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("spread")
    (found / "nets.py").write_text(NETS)
    write_digits(found / "digits.npz", 0)
    return found


def write_digits(file: Path, start: int) -> None:
    digits = load_digits()
    x, y = (digits.images[:, None] * (255 / 16)).astype(np.uint8), digits.target.astype(np.int64)
    own = {"x_train": x[1000:1200], "y_train": y[1000:1200], "x_test": x[start : start + N], "y_test": y[start : start + N]}
    np.savez(file, **own)


@pytest.fixture
def config(folder: Path) -> EvalConfig:
    return EvalConfig(model=f"{folder / 'nets.py'}:net", data=str(folder / "digits.npz"), device="cpu", trust_code=True)


@pytest.mark.parametrize("more", [{}, {"tta": True, "diagnose": True}])
def test_two_processes_evaluate_what_one_does(config: EvalConfig, more: dict[str, bool]):
    one, two = (evaluation.run(replace(config, workers=number, **more)) for number in (1, 2))
    assert replace(two, seconds=0.0) == replace(one, seconds=0.0)
    assert one.n_images == N


def test_two_processes_predict_what_one_does(config: EvalConfig):
    given = PredictConfig(model=config.model, data=config.data, device="cpu", trust_code=True, split="test")
    one, two, plain = (predict.run(replace(given, workers=number)) for number in (1, 2, None))
    assert two.table == one.table and len(one.table.rows) == N
    labels = [[row[1] for row in found.table.rows] for found in (one, plain)]
    assert labels[0] == labels[1]


def test_a_network_that_was_trained_here_is_sent(config: EvalConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    loaded = open_to_predict(replace(config, model=None, workers=2), SILENT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    assert isinstance(loaded.elsewhere, PredictingProcesses)
    there = pickle.loads(pickle.dumps(_Prediction(loaded.elsewhere.config, replace(loaded, elsewhere=None), False, _logits)))
    assert not (tmp_path / "there").exists()  # neither trained again nor written
    assert there.loaded.trained.sha256 == loaded.trained.sha256
    x = loaded.split("test").x
    assert there.loaded.raw_logits(x).equal(loaded.raw_logits(x))


def test_other_data_there_are_named(config: EvalConfig, folder: Path, tmp_path: Path):
    write_digits(tmp_path / "digits.npz", 0)
    loaded = open_to_predict(replace(config, data=str(tmp_path / "digits.npz"), workers=2), SILENT)
    assert isinstance(loaded.elsewhere, PredictingProcesses)
    packed = pickle.dumps(_Prediction(loaded.elsewhere.config, replace(loaded, elsewhere=None), False, _logits))
    write_digits(tmp_path / "digits.npz", 1)
    with pytest.raises(InputError, match="the data are others there"):
        pickle.loads(packed)


@pytest.mark.parametrize("name", ["workers", "cluster"])
@pytest.mark.parametrize(
    "more", [{"summary": True}, {"prove_causal": True}, {"time_limit": 5.0}, {"model": "predictions.csv", "data": None}]
)
def test_what_one_process_does_is_refused(config: EvalConfig, name: str, more: dict[str, object]):
    with pytest.raises(UsageError, match=f"`{name}`"):
        replace(config, **{name: 2 if name == "workers" else "auto"}, **more)


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures of two sizes, their masks, and a network that was trained on them."""
    found = tmp_path_factory.mktemp("masks")
    drawn = np.random.default_rng(0)
    for split in ("train", "test"):
        for number in range(70):
            side = 8 if number % 3 else 12
            picture = drawn.integers(0, 255, (side, side), np.uint8)
            for kind, pixels in (("images", picture), ("masks", (picture > 128).astype(np.uint8))):
                (found / "data" / split / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(found / "data" / split / kind / f"{number}.png")
    train.run(TrainConfig(task="segment", data=str(found / "data"), epochs=1, output=found / "run", device="cpu"))
    return found


def test_two_processes_evaluate_the_masks_that_one_does(masks: Path):
    given = EvalConfig(model=str(masks / "run"), data=str(masks / "data"), device="cpu")
    one, two, plain = (evaluation.run(replace(given, workers=number)) for number in (1, 2, None))
    assert replace(two, seconds=0.0) == replace(one, seconds=0.0)
    assert plain.confusion == one.confusion and plain.n_images == 70


def test_tasks_without_parts_are_refused(masks: Path):
    with pytest.raises(UsageError, match="`workers`: masks are written"):
        predict.run(PredictConfig(model=str(masks / "run"), data=str(masks / "data"), workers=2))
