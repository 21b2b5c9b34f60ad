"""`probe`: gradients measured on the way, which leave the training and its resumption as they are."""

import json

import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import train
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT

QUICK = {"data": "digits", "model": "mlp", "limit": 200, "epochs": 4, "device": "cpu", "precision": "float32"}


def probed(folder):
    return json.loads((folder / "gradients.json").read_text())["probes"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed") / "run"
    return train.run(TrainConfig(**QUICK, probe=2, output=folder)), folder


def test_weights_are_those_of_a_training_without_it(run):
    result, folder = run
    assert result.rows[0].weights_sha256 == train.run(TrainConfig(**QUICK)).rows[0].weights_sha256
    assert [one["epoch"] for one in probed(folder)] == [0, 2, 4]
    page = (folder / "report.html").read_text()
    assert "Noise scale of the gradient by epoch" in page and "Gradients of weights and dead units" in page


def test_the_last_figures_are_those_of_the_network_that_is_left(run):
    _, folder = run
    last = probed(folder)[-1]
    model = load_model(folder, torch.device("cpu")).model.eval()
    data = open_data("digits", limit=200, report=SILENT)
    # 200 training images make 16 batches of 12, so 192 of them in an order that is drawn; all 200 are close to it.
    x, y = data.x_train.float() / (255 if data.x_train.dtype == torch.uint8 else 1), data.y_train
    nn.functional.cross_entropy(model(x), y).backward()
    norm = float(torch.cat([one.grad.flatten() for one in model.parameters()]).norm())
    assert last["n"] == 192 and last["norm"] == pytest.approx(norm, rel=0.3)
    assert set(last["layers"]) == {name for name, one in model.named_parameters() if one.dim() > 1}
    assert all(0 <= share <= 1 for share in last["dead"].values())


def test_a_resumed_training_measures_what_the_other_did(run, tmp_path):
    result, folder = run
    stopped = _StopAfter(7)
    config = TrainConfig(**QUICK, probe=2, output=tmp_path / "run", resume=True)
    train.run(config, report=stopped)
    assert not (tmp_path / "run" / "gradients.json").exists()
    again = train.run(config)
    assert again.rows[0].weights_sha256 == result.rows[0].weights_sha256
    assert probed(tmp_path / "run") == probed(folder)
    train.run(config)
    assert probed(tmp_path / "run") == probed(folder)


class _StopAfter(type(SILENT)):
    """Asks to stop after so many questions."""

    def __init__(self, left):
        super().__init__()
        self.left = left

    def stoppable(self):
        from contextlib import nullcontext

        def stop():
            self.left -= 1
            return self.left < 0

        return nullcontext(stop)


def test_before_training_batch_normalisation_has_the_statistics_of_the_images(tmp_path):
    """With those it starts from, means of 0 and variances of 1, signals of a deep network grow from block to block."""
    options = QUICK | {"model": "resnet-24", "epochs": 1}
    with_probe = train.run(TrainConfig(**options, probe=1, output=tmp_path / "run"))
    first, last = probed(tmp_path / "run")
    assert first["norm"] < 100 * last["norm"]
    assert with_probe.rows[0].weights_sha256 == train.run(TrainConfig(**options)).rows[0].weights_sha256


def test_a_dead_layer_is_seen(tmp_path):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    first = nn.Linear(64, 16)\n"
        "    nn.init.constant_(first.bias, -100.0)\n"
        "    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(16, 10))\n"
    )
    options = QUICK | {"model": f"{tmp_path}/nets.py:net", "epochs": 1}
    train.run(TrainConfig(**options, probe=1, output=tmp_path / "run"))
    first = probed(tmp_path / "run")[0]
    assert list(first["dead"].values()) == [1.0]
    assert first["layers"]["1.weight"] == 0.0 and first["layers"]["3.weight"] == 0.0


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"probe": 0}, UsageError, "`probe`: 0 is below 1"),
        ({"probe": 1, "versus": "--lr 1"}, UsageError, "does not go with `versus`"),
        ({"probe": 1, "lr": (0.1, 0.2)}, UsageError, "is of one training"),
        ({"probe": 1, "task": "score"}, UsageError, "applies to `task=images`"),
    ],
)
def test_what_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        TrainConfig(**options)


def test_too_few_images_are_an_error(tmp_path):
    import numpy as np

    np.savez(tmp_path / "few.npz", x=np.random.default_rng(0).random((4, 8, 8), dtype=np.float32), y=[0, 1, 0, 1])
    with pytest.raises(InputError, match="`probe` needs at least 5 training images"):
        train.run(TrainConfig(data=str(tmp_path / "few.npz"), model="mlp", epochs=1, device="cpu", probe=1))
