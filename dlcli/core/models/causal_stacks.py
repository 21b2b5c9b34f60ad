"""Causal networks of sequences: temporal convolutions, WaveNet and a gated recurrent unit.

Each gives outputs (n, classes, t), of which those at a step depend on inputs up to this step.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from dlcli.core.layers.causal import Causal, CausalConv1d, CausalGRU, NormedCausalConv1d

KERNEL = 3
"""Steps that a convolution of a `Tcn` sees."""
_DEEPEST = 12
"""The most levels by default: a field of 16,381 steps with kernel 3."""


class Tcn(Causal):
    """A temporal convolutional network (Bai, Kolter and Koltun 2018, arXiv 1803.01271, section 3).

    Residual blocks of two causal convolutions with weight normalisation; those of the block at level i have dilation 2^i,
    so the field is 1 + 2 (kernel - 1) (2^levels - 1) steps. Without dilation it is 1 + 2 (kernel - 1) levels, with weights of
    the same shapes.
    """

    def __init__(self, channels: int, classes: int, levels: int, width: int, *, dilated: bool = True) -> None:
        super().__init__()
        sizes = [channels, *[width] * levels]
        self.blocks = nn.Sequential(
            *(_Block(sizes[k], width, 2**k if dilated else 1) for k in range(levels)),
        )
        self.head = nn.Conv1d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, channels, t), gives (n, classes, t)."""
        found: Tensor = self.head(self.blocks(x))
        return found


class _Block(nn.Module):
    """Two causal convolutions beside a path that skips them."""

    def __init__(self, inputs: int, width: int, dilation: int) -> None:
        super().__init__()
        self.first = NormedCausalConv1d(inputs, width, KERNEL, dilation)
        self.second = NormedCausalConv1d(width, width, KERNEL, dilation)
        self.skip = nn.Conv1d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, inputs, t), gives (n, width, t)."""
        inner = torch.relu(self.second(torch.relu(self.first(x))))
        found: Tensor = torch.relu(inner + self.skip(x))
        return found


class WaveNet(Causal):
    """Gated causal convolutions of two steps with residual and skip connections (van den Oord et al. 2016, arXiv 1609.03499).

    After a first convolution layer i has dilation 2^i, so the field is 2^levels + 1 steps. Of a whole sequence it gives the
    mean over its steps.
    """

    pooling: ClassVar[str] = "mean"

    def __init__(self, channels: int, classes: int, levels: int, width: int) -> None:
        super().__init__()
        self.first = CausalConv1d(channels, width, 2)
        self.layers = nn.ModuleList(_Gated(width, 2**k) for k in range(levels))
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, channels, t), gives (n, classes, t)."""
        x = self.first(x)
        skipped = torch.zeros_like(x)
        for layer in self.layers:
            x, more = layer(x)
            skipped = skipped + more
        found: Tensor = self.head(skipped)
        return found


class _Gated(nn.Module):
    """One layer: a gated activation (equation 2 of the paper), its residual and its skip connection."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.both = CausalConv1d(width, 2 * width, 2, dilation)
        self.residual, self.skip = nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Takes (n, width, t), gives the same with the residual added, and the skip connection, in the same shape."""
        through, gate = self.both(x).chunk(2, 1)
        gated = torch.tanh(through) * torch.sigmoid(gate)
        return x + self.residual(gated), self.skip(gated)


class Gru(Causal):
    """A gated recurrent unit (Cho et al. 2014, arXiv 1406.1078), which sees all steps before."""

    def __init__(self, channels: int, classes: int, layers: int, width: int) -> None:
        super().__init__()
        self.body = CausalGRU(channels, width, layers)
        self.head = nn.Conv1d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, channels, t), gives (n, classes, t)."""
        found: Tensor = self.head(self.body(x))
        return found


def tcn_levels(steps: int) -> int:
    """The most levels, up to 12, whose field is no longer than sequences of `steps`; at least 1."""
    return max([1, *(k for k in range(1, _DEEPEST + 1) if 1 + 2 * (KERNEL - 1) * (2**k - 1) <= steps)])


def wavenet_levels(steps: int) -> int:
    """The most levels, up to 12, whose field is no longer than sequences of `steps`; at least 1."""
    return max([1, *(k for k in range(1, _DEEPEST + 1) if 2**k + 1 <= steps)])
