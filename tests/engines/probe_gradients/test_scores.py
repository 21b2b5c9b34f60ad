"""Gradients of predicted scores and of their losses, beside the closed forms of a linear network."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dlcli.core.gradients.input_gradients import input_gradients
from dlcli.core.model_io.run_dir import load_model
from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines import probe_gradients, train
from dlcli.engines.probe_gradients.scored import score_derivative
from dlcli.engines.probe_gradients.suggestions import suggested_command
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError
from tests.scored import integer_scores, table_folder

LINEAR = """
from torch import nn


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(256, 1)

    def forward(self, x):
        return self.linear(x.flatten(1))[:, 0]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs called linear, ranking and plain, and their data."""
    root = tmp_path_factory.mktemp("probed")
    (root / "net.py").write_text(LINEAR)
    data = table_folder(root / "t", integer_scores(60))
    shared = {"data": str(data), "task": "score", "epochs": 2, "device": "cpu"}
    train.run(TrainConfig(**shared, model=f"{root / 'net.py'}:Linear", loss="mse", output=root / "linear"))
    for loss in ("ranking", "emd"):
        train.run(TrainConfig(**shared, model="mlp", loss=loss, output=root / loss))
    return root


def config(runs: Path, run: str, **changes: object) -> ProbeGradientsConfig:
    settings = {
        "model": str(runs / run),
        "data": str(runs / "t"),
        "trust_code": True,
        "walks": 2,
        "points": 16,
        "device": "cpu",
    }
    return ProbeGradientsConfig(**{**settings, **changes})


def test_gradients_of_a_linear_score_and_of_its_squared_error_are_the_closed_forms(runs: Path):
    scores = task_of(str(runs / "linear")).scores
    assert scores is not None
    model = load_model(runs / "linear", torch.device("cpu")).model
    layer = next(one for one in model.modules() if isinstance(one, torch.nn.Linear))
    weight = layer.weight.detach().double().numpy()[0]
    known = scores.objective.to_json()
    x, truth = torch.rand(5, 1, 16, 16), torch.tensor(3.0)
    kwargs = {"device": torch.device("cpu")}
    found = input_gradients(model, x, score_derivative(config(runs, "linear"), scores.objective, truth), **kwargs)
    assert np.allclose(found.numpy(), known["deviation"] * weight, rtol=1e-5)
    of_loss = score_derivative(config(runs, "linear", target="loss"), scores.objective, truth)
    outputs = x.double().flatten(1).numpy() @ weight + layer.bias.item()
    away = outputs - (3.0 - known["mean"]) / known["deviation"]
    assert np.allclose(input_gradients(model, x, of_loss, **kwargs).numpy(), 2 * away[:, None] * weight, rtol=1e-4, atol=1e-7)


def test_a_linear_scorer_has_a_constant_gradient(runs: Path):
    result = probe_gradients.run(config(runs, "linear"))
    assert result.target == "predicted score"
    assert result.rows[0].verdict == "linear"


def test_scores_of_several_outputs_are_probed_with_their_loss(runs: Path, tmp_path: Path):
    result = probe_gradients.run(config(runs, "emd", target="loss", limit=8, output=tmp_path / "out"))
    assert result.target == "loss"
    assert result.rows[0].n == 2 and result.layers
    assert "of the loss" in (tmp_path / "out" / "report.html").read_text()
    command = suggested_command(
        config(runs, "emd"), "elu", torch.nn.Sequential(torch.nn.ReLU()), torch.ones(1, 1), spec="mlp", task="score"
    )
    assert command is not None and "--task score --model mlp --with elu" in command
    assert "8 images" in " ".join(probe_gradients.plan(config(runs, "emd", limit=8)))


def test_what_scores_do_not_have_is_refused_by_name(runs: Path):
    with pytest.raises(UsageError, match="`lesion` does not apply to a network that predicts scores"):
        probe_gradients.run(config(runs, "emd", lesion=True))
    with pytest.raises(UsageError, match="`target=loss`: `loss=ranking` compares images"):
        probe_gradients.run(config(runs, "ranking", target="loss"))
