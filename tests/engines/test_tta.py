"""Test-time flips: logits by hand, and a network that sees no difference."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.evaluation import metrics
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import eval as evaluation
from dlcli.engines import predict, train
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    train.run(TrainConfig(epochs=1, device="cpu", output=folder))
    return folder


def test_logits_are_means_over_image_and_mirror_image(run: Path):
    model: nn.Module = load_model(run, torch.device("cpu")).model
    data = open_data("digits")
    with torch.no_grad():
        logits = (model(data.x_test) + model(torch.from_numpy(np.flip(data.x_test.numpy(), 3).copy()))) / 2
    expected = metrics.log_probabilities(logits.numpy())
    found = predict.run(PredictConfig(model=str(run), device="cpu", tta=True, top=1))
    assert [int(row[1]) for row in found.table.rows] == expected.argmax(1).tolist()
    assert [float(row[2]) for row in found.table.rows] == pytest.approx(np.exp(expected.max(1)).tolist(), abs=1e-5)
    result = evaluation.run(EvalConfig(model=str(run), device="cpu", tta=True))
    right = (expected.argmax(1) == data.y_test.numpy()).mean()
    assert next(one.estimate.value for one in result.metrics if one.name == "top-1") == pytest.approx(right)
    assert any("mirror image" in note for note in result.notes) and any("mirror image" in note for note in found.notes)
    plain = predict.run(PredictConfig(model=str(run), device="cpu", top=1))
    assert plain.table.rows != found.table.rows and not any("mirror" in note for note in plain.notes)


def test_an_image_that_is_its_own_mirror_image_keeps_its_probabilities(run: Path, tmp_path: Path):
    x = open_data("digits").x_test[:40].numpy()
    np.savez(tmp_path / "even.npz", x=(x + x[..., ::-1]) / 2, y=np.arange(40) % 10)
    options = {"model": str(run), "data": str(tmp_path / "even.npz"), "device": "cpu"}
    rows = [predict.run(PredictConfig(**options, tta=tta)).table.rows for tta in (True, False)]
    assert rows[0] == rows[1] and rows[0]


@pytest.mark.parametrize("name", ["summary", "diagnose_input"])
def test_what_is_about_the_network_alone_refuses_it(name: str):
    with pytest.raises(UsageError, match=f"`tta` and `{name}` cannot be combined"):
        EvalConfig(tta=True, **{name: True})


def test_an_exported_network_does_not_flip(tmp_path):
    with pytest.raises(UsageError, match="`export` writes the network alone, without `tta`"):
        EvalConfig(model="r", tta=True, export=tmp_path / "n.onnx")
