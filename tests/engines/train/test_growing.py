"""Networks that grow before they train: they load back, and start from what the smaller one had learnt."""

from pathlib import Path

import pytest
import torch

from dlcli.core.compute.forward import predict_logits
from dlcli.core.data import open_data
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import eval, train
from dlcli.engines.train.job import build, open_job
from dlcli.specs.eval import EvalConfig
from dlcli.specs.train import TrainConfig

CPU = torch.device("cpu")


def config(**changes: object) -> TrainConfig:
    return TrainConfig(**{"epochs": 1, "device": "cpu", "precision": "float32", **changes})


@pytest.mark.parametrize("surgery", [("widen=2",), ("elu", "widen=1.5:0.05", "deepen")])
def test_a_run_loads_back_with_the_same_figures(surgery: tuple[str, ...], tmp_path: Path):
    trained = train.run(config(surgery=surgery, output=tmp_path / "run")).rows[0]
    found = eval.run(EvalConfig(model=str(tmp_path / "run"), device="cpu"))
    assert found.metrics[0].name == "top-1" and found.metrics[0].estimate.value == trained.accuracy.value
    assert eval.run(EvalConfig(model=str(tmp_path / "run"), device="cpu", summary=True)).summary is not None


def test_a_trained_network_grows_and_answers_as_before(tmp_path: Path):
    train.run(config(output=tmp_path / "small"))
    data, small = open_data("digits"), load_model(tmp_path / "small", CPU).model
    weights = tmp_path / "small" / "weights.safetensors"
    grown = build(open_job(config(surgery=("widen=2", "deepen"), weights=weights), data, CPU, 1)).model
    before, after = (predict_logits(model, data.x_test, device=CPU) for model in (small, grown))
    assert torch.allclose(before, after, atol=1e-4)
    assert sum(p.numel() for p in grown.parameters()) > 3 * sum(p.numel() for p in small.parameters())
