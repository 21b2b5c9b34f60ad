"""Outputs that make figures wrong are noticed on a few images, and plain networks are not suspected."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.compute.foreign import guard_calls
from dlcli.core.models.output_checks import OutputCheck, check_outputs, unused_outputs

X = torch.rand(2, 6, generator=torch.Generator().manual_seed(0))


def checked(*layers: nn.Module, guarded: bool = True) -> OutputCheck:
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    model = guard_calls(model).eval() if guarded else model.eval()
    with torch.no_grad():
        return check_outputs(model, X, model(X))


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)


class Always(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.5, training=True)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sigmoid()])
def test_probabilities_are_warned_of(outputs: int, last: nn.Module):
    if outputs == 1 and isinstance(last, nn.Softmax):
        return  # the softmax of one output is 1, whatever it is
    (warning,) = checked(nn.Linear(6, outputs), last).warnings
    assert "returns probabilities" in warning and type(last).__name__.lower() in warning


@pytest.mark.parametrize("layer", [Noise(), Always()])
@pytest.mark.parametrize("after", [nn.Linear(6, 3), nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))])
def test_random_outputs_are_warned_of_and_leave_random_numbers_alone(layer: nn.Module, after: nn.Module):
    before = torch.get_rng_state()
    model = guard_calls(nn.Sequential(layer, after)).eval()
    logits = model(X)
    state = torch.get_rng_state()
    assert "two calls give other logits for 2 of 2" in check_outputs(model, X, logits).warnings[0]
    assert torch.equal(torch.get_rng_state(), state) and not torch.equal(state, before)


class ByBatch(nn.Module):
    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "centred":
            return x - x.mean(0)
        if self.kind == "scaled":
            return x / x.abs().max()
        if self.kind == "softmax":
            return 6 * x.softmax(0)
        if self.kind == "attention":
            return x + (x @ x.T).softmax(1) @ x
        return x.flip(0)


MIXED = [
    *(ByBatch(kind) for kind in ("centred", "scaled", "softmax", "attention", "flipped")),
    nn.BatchNorm1d(6, track_running_stats=False),
    nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten()),
]


@pytest.mark.parametrize("layer", MIXED)
@pytest.mark.parametrize("outputs", [1, 3])
def test_logits_that_change_with_the_other_examples_are_warned_of(layer: nn.Module, outputs: int):
    (warning,) = checked(nn.Linear(6, 6), layer, nn.Linear(6, outputs)).warnings
    assert "other logits in another batch" in warning


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Linear(6, 3),),
        (nn.BatchNorm1d(6), nn.Linear(6, 3)),
        (nn.LayerNorm(6), nn.Linear(6, 3)),
        (nn.GroupNorm(2, 6), nn.Linear(6, 3)),
        (nn.Linear(6, 3), nn.LogSoftmax(1)),
        (nn.Linear(6, 3), nn.ReLU()),
        (nn.Linear(6, 1),),
        (nn.Sigmoid(), nn.Linear(6, 3), nn.Dropout()),
    ],
)
def test_plain_networks_are_not_suspected(layers: tuple[nn.Module, ...]):
    assert not checked(*layers).warnings


def test_networks_of_dlcli_are_not_looked_at():
    assert checked(nn.Linear(6, 3), nn.Softmax(1), guarded=False) == OutputCheck()


def test_unused_outputs_are_counted():
    assert unused_outputs(10, 10) == ()
    assert "1,000 outputs for 10 classes: 990 stand for none" in unused_outputs(1000, 10)[0]
