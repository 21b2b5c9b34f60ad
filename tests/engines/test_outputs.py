"""Whatever form a network returns its logits in, every command gives what it gives for a network that returns just them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.engines import attack, ensemble, predict, probe_gradients, train
from dlcli.engines import eval as evaluate
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError
from tests.conftest import Run

CODE = """
from collections import namedtuple
from types import SimpleNamespace

import torch
from torch import nn

Out = namedtuple("Out", "features logits")


class Plain(nn.Module):
    def __init__(self, outputs=2):
        super().__init__()
        torch.manual_seed(0)
        self.c, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(108, outputs)
        self.images = lambda x: x

    def logits(self, x):
        return self.fc(torch.relu(self.c(x)).flatten(1))

    def forward(self, x):
        return self.logits(x)


class Tuple(Plain):
    def forward(self, x):
        return self.logits(x), x


class Named(Plain):
    def forward(self, x):
        return Out(x, self.logits(x))


class Mapping(Plain):
    def forward(self, x):
        return {"x": x, "logits": self.logits(x)}


class Object(Plain):
    def forward(self, x):
        return SimpleNamespace(loss=None, logits=self.logits(x))


class Binary(Plain):
    def __init__(self):
        super().__init__(1)

    def forward(self, x):
        return self.logits(x)


class ByHand(Binary):
    def forward(self, x):
        z = self.logits(x)
        return torch.cat([torch.zeros_like(z), z], 1)


class Squeezed(Binary):
    def forward(self, x):
        return {"out": self.logits(x)[:, 0]}


class Scaled(Plain):
    def forward(self, x):
        return self.logits((x - 0.5) / 0.5)


class InPlace(Plain):
    def forward(self, x):
        x -= 0.5
        x /= 0.5
        return self.logits(x)


def timm_style(num_classes=1000, in_chans=3):
    net = Plain(num_classes)
    net.c = nn.Conv2d(in_chans, 3, 3)
    return net


def positional(n_classes):
    return Plain(n_classes)


def other(what):
    return Plain(what)


class OneShare(nn.Module):
    # No parameters: the light of the upper half, as a probability.

    def forward(self, x):
        return (8 * (x[:, :, 4:].mean((1, 2, 3)) - x[:, :, :4].mean((1, 2, 3))) - 0.8).sigmoid()[:, None]


def softmaxed():
    return nn.Sequential(Plain(), nn.Softmax(1))


class Noisy(Plain):
    def forward(self, x):
        return self.logits(x + 0.3 * torch.randn_like(x))


class Centred(Plain):
    def forward(self, x):
        return self.logits(x - x.mean(0))
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(CODE)
    return str(tmp_path / "nets.py")


@pytest.fixture
def data(tmp_path: Path) -> str:
    draws = np.random.default_rng(0)
    x, y = draws.random((60, 8, 8), dtype=np.float32), np.arange(60) % 2
    x[y == 1, :4] *= 0.5
    np.savez(tmp_path / "data.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return str(tmp_path / "data.npz")


def everything(model: str, data: str, folder: Path) -> tuple[dict[str, Any], set[str]]:
    """What each command finds, and all its notes."""
    there: dict[str, Any] = {"data": data, "device": "cpu"}
    results = {
        "eval": evaluate.run(EvalConfig(trust_code=True, model=model, **there)),
        "predict": predict.run(PredictConfig(trust_code=True, model=model, **there)),
        "attack": attack.run(AttackConfig(trust_code=True, model=model, method=("fgsm", "pgd"), eps=(0.05,), **there)),
        "train": train.run(TrainConfig(trust_code=True, model=model, epochs=1, **there, output=folder / "run")),
        "ensemble": ensemble.run(EnsembleConfig(model=(model,), members=2, workers=1, epochs=1, **there, output=folder / "e")),
        "probe": probe_gradients.run(ProbeGradientsConfig(trust_code=True, model=model, limit=4, walks=1, points=8, **there)),
    }
    results["of the run"] = evaluate.run(EvalConfig(trust_code=True, model=str(folder / "run"), **there))
    figures = {
        "eval": [one.estimate for one in results["eval"].metrics],
        "predict": results["predict"].table.rows,
        "attack": [(row.clean, row.adversarial) for row in results["attack"].rows],
        "train": [(row.weights_sha256, row.accuracy) for row in results["train"].rows],
        "ensemble": [member.weights_sha256 for member in results["ensemble"].members],
        "probe": [row.acf1 for row in results["probe"].rows],
        "of the run": [one.estimate for one in results["of the run"].metrics],
    }
    return figures, {f"{name}: {note}" for name, result in results.items() for note in result.notes}


@pytest.mark.parametrize(
    ("name", "plain", "word"),
    [
        ("Tuple", "Plain", "taken as the logits"),
        ("Named", "Plain", "taken as the logits"),
        ("Mapping", "Plain", "taken as the logits"),
        ("Object", "Plain", "taken as the logits"),
        ("Binary", "ByHand", "returns one logit"),
        ("Squeezed", "ByHand", "returns one logit"),
        ("InPlace", "Scaled", "writes into its input"),
    ],
)
def test_every_command_gives_what_it_gives_for_the_logits_alone(
    nets: str, data: str, tmp_path: Path, name: str, plain: str, word: str
):
    found, notes = everything(f"{nets}:{name}", data, tmp_path / "a")
    expected, _ = everything(f"{nets}:{plain}", data, tmp_path / "b")
    for command in expected:
        assert found[command] == expected[command], command
        assert sum(note.startswith(f"{command}: ") and word in note for note in notes) == 1, command


def test_arguments_of_other_libraries_are_passed_and_named(nets: str, data: str):
    found = evaluate.run(EvalConfig(trust_code=True, model=f"{nets}:timm_style", data=data))
    assert any("is called with in_chans=1, num_classes=2" in note for note in found.notes)
    assert len(found.per_class) == 2
    assert any(
        "n_classes=2" in note for note in evaluate.run(EvalConfig(trust_code=True, model=f"{nets}:positional", data=data)).notes
    )
    with pytest.raises(InputError, match="missing 1 required positional argument") as caught:
        evaluate.run(EvalConfig(trust_code=True, model=f"{nets}:other", data=data))
    assert "num_classes" in caught.value.hint and "in_chans" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("softmaxed", "returns probabilities"),
        ("OneShare", "probabilities"),
        ("Noisy", "two calls"),
        ("Centred", "other logits in another batch"),
    ],
)
def test_wrong_and_unsteady_outputs_are_warned_of_even_when_quiet(dlcli: Run, nets: str, data: str, name: str, word: str):
    for command in (("eval", f"{nets}:{name}", "--data", data), ("predict", f"{nets}:{name}", data)):
        done = dlcli(*command, "--quiet")
        assert done.returncode == 0 and done.stderr.startswith(b"warning: ") and word.encode() in done.stderr
        assert b"fed wrongly" not in done.stderr
    if name == "OneShare":  # nothing to train
        return
    found = train.run(TrainConfig(trust_code=True, model=f"{nets}:{name}", data=data, epochs=1))
    assert any(word in note for note in found.notes)
    attacked = attack.run(AttackConfig(trust_code=True, model=f"{nets}:{name}", data=data, eps=(0.05,)))
    assert word.removeprefix("returns ") in " ".join(f"{one.check} {one.detail}" for one in attacked.findings)
