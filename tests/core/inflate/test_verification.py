"""Which stages are compared, and how far apart they are."""

import torch
from torch import nn

from dlcli.core.compute.rng import preserved
from dlcli.core.inflate.convert import Inflation, inflate
from dlcli.core.inflate.verification import OUTPUT, stages, verify


class _PlacesFirst(nn.Module):
    """(n, c, h, w) to (h * w, n, c), as some attention takes it."""

    def forward(self, x):
        return x.flatten(2).permute(2, 0, 1)


class _Mean(nn.Module):
    def forward(self, x):
        return x.mean(0)


def _net(*more):
    with preserved():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 5, 3), nn.Conv2d(5, 5, 1), *more, nn.Linear(5, 3)).eval()


def _images():
    return torch.rand(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_stage_that_does_not_begin_with_the_frames_is_not_compared():
    verification = verify(_net(_PlacesFirst(), _Mean()), _images(), Inflation(), (1, 2, 4))
    assert {stage for _, stage, _ in verification.errors} == {"0", "1", "3", "4", OUTPUT}
    assert verification.worst(torch.float64)[2] < 1e-10 and verification.agree == verification.compared == 2 * 3 * 2
    assert (verification.images, verification.size) == (2, (8, 8))


def test_errors_are_relative_to_the_largest_value():
    """Zeros at the ends of a clip of one frame leave a third of a 3x1x1 layer's answer: the bias apart, an error of 2/3."""
    net = _net(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.zeros_(net[1].bias)
    verification = verify(net, _images(), Inflation(ends="zeros", dilations=(1,)), (1,))
    assert abs(verification.errors[torch.float64, "1", 1] - 2 / 3) < 1e-12
    assert verification.errors[torch.float64, "0", 1] == 0.0
    assert abs(verification.errors[torch.float32, "1", 1] - 2 / 3) < 1e-6


def test_the_stages_of_a_mere_shell_are_those_inside():
    shell = nn.Module()
    shell.inner = nn.Module()
    shell.inner.body, shell.inner.head = nn.Sequential(nn.Identity(), nn.Identity()), nn.Identity()
    assert list(stages(shell)) == ["inner.body.0", "inner.body.1", "inner.head"]
    alone = nn.Identity()
    assert stages(alone) == {"": alone}


class Scaled(nn.Module):
    """A residual block whose branch does not count yet, as with gammas of 0, with a squeeze-excite gate in it."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 1)
        self.squeeze, self.excite = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)

    def forward(self, x):
        found = self.first(x).relu()
        gate = self.excite(self.squeeze(nn.functional.adaptive_avg_pool2d(found, 1)).relu()).sigmoid()
        return x + 0 * self.last(found * gate)


def gated():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), Scaled(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()


def test_gates_have_no_time():
    found = inflate(gated(), torch.rand(1, 3, 9, 9), Inflation("besnet"))
    assert [layer.path for layer in found.layers] == ["1.first", "1.last"]


def test_an_error_in_a_branch_that_does_not_count_is_seen(monkeypatch):
    images = torch.rand(2, 3, 9, 9, dtype=torch.float64)
    assert verify(gated(), images, Inflation("besnet"), (2,)).worst(torch.float64).error < 1e-12

    def spoiled(model, sample, how):
        found = inflate(model, sample, how)
        found.model.inner.get_submodule("1.last").weight.data.mul_(1.5)
        return found

    monkeypatch.setattr("dlcli.core.inflate.verification.inflate", spoiled)
    worst = verify(gated(), images, Inflation("besnet"), (2,)).worst(torch.float64)
    assert worst.stage == "1"
    assert worst.error > 0.1
