"""Whatever is reported is computed in float32 in full, forward and backward, though the user allows TF32 or bfloat16."""

from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.compute.forward import predict_logits
from dlcli.core.evaluation.receptive_field import effective_field
from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.gradients.layer_signals import layer_signals
from dlcli.core.gradients.scalar_nets import set_batchnorm_statistics
from dlcli.core.graph.last_hidden import hidden_features
from dlcli.core.inflate.convert import Inflation
from dlcli.core.inflate.verification import verify
from dlcli.engines.probe_gradients.path_gradients import derivative_at
from dlcli.specs.probe_gradients import ProbeGradientsConfig

CPU = torch.device("cpu")
X, Y = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4
LOGIT = Derivative("logit", 1)
backends: Any = torch.backends


SEEN: list[tuple[str, tuple[str, ...]]] = []
"""The pass and its settings, for each pass through a network or a copy of it."""


def settings() -> tuple[str, ...]:
    nodes = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul, backends.mkldnn.conv, backends.mkldnn.matmul)
    return tuple(node.fp32_precision for node in nodes)


class _Passing(torch.autograd.Function):
    """Leaves values and gradients alone, and notes the settings of both passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        SEEN.append(("forward", settings()))
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        SEEN.append(("backward", settings()))
        return gradients[0]


class Spy(nn.Module):
    """A small residual network that notes the settings of each of its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second, self.last = (
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Linear(4, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(_Passing.apply(x))).relu()
        x = x + self.second(x).relu()
        return _Passing.apply(self.last(x.mean((2, 3))))


@pytest.fixture
def spy():
    """The network, while the user allows TF32 and bfloat16 wherever torch knows them."""
    torch.manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        model = Spy().eval()
    torch.set_float32_matmul_precision("medium")
    for node in (backends.cudnn.conv, backends.cudnn.rnn):
        node.fp32_precision = "tf32"
    backends.mkldnn.conv.fp32_precision = "bf16"
    allowed = settings()
    SEEN.clear()
    yield model
    assert settings() == allowed == ("tf32", "tf32", "tf32", "bf16", "bf16")
    torch.set_float32_matmul_precision("highest")
    for node in (backends.cuda.matmul, backends.mkldnn.conv, backends.mkldnn.matmul):
        node.fp32_precision = "none"


def check(*passes: str) -> None:
    assert {name for name, _ in SEEN} == set(passes)
    assert {found for _, found in SEEN} == {("ieee",) * 5}


FORWARD = {
    "predictions": lambda model: predict_logits(model, X, device=CPU),
    "the last hidden layer": lambda model: hidden_features(model, X, device=CPU),
    "the output that is differentiated": lambda model: derivative_at(model, X, ProbeGradientsConfig(model="mlp"), CPU),
    "statistics of batch normalisation": lambda model: set_batchnorm_statistics(model, X),
    "the check of a conversion": lambda model: verify(model, X, Inflation(), (2,), dtypes=(torch.float32,)),
}
BACKWARD = {
    "gradients by the input": lambda model: input_gradients(model, X, LOGIT, device=CPU),
    "signals of layers": lambda model: layer_signals(model, X, LOGIT, device=CPU),
    "the effective receptive field": lambda model: effective_field(model, X),
}


@pytest.mark.parametrize("what", FORWARD)
def test_figures_of_forward_passes(spy, what):
    FORWARD[what](spy)
    check("forward")


@pytest.mark.parametrize("what", BACKWARD)
def test_figures_of_gradients(spy, what):
    BACKWARD[what](spy)
    check("forward", "backward")


@pytest.mark.parametrize("name", [name for name in REGISTRY.names() if name not in ("transfer", "auto")])
def test_attacks_and_their_checks_of_success(spy, name):
    attack = load_attack(name)
    fewer = {"steps": 3, "queries": 20, "searches": 2}
    known = {field.name for field in fields(attack)}
    attack = attack.with_options(**{key: value for key, value in fewer.items() if key in known})
    attack(spy, X, Y, eps=0.1)
    if isinstance(attack, MinimumNorm):
        attack.nearest(spy, X, Y)
    check("forward", *(["backward"] if attack.knowledge == "gradients" and name != "noise" else []))
