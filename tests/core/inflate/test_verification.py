"""Which stages are compared, and how far apart they are."""

import torch
from torch import nn

from dlcli.core.compute.rng import preserved
from dlcli.core.inflate.convert import Inflation
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
