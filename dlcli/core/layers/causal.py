"""Layers whose output at a step depends on this step and earlier ones only, which can go on where they stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad


class Causal(nn.Module):
    """A network of sequences (n, channels, t) with outputs (n, k, t), each of the inputs up to its step.

    Whatever follows the end of a sequence changes no output before, so it needs no mask.

    Attributes:
        pooling: Its output for a whole sequence: that at its `last` step, or the `mean` over its steps.
    """

    pooling: ClassVar[str] = "last"


class Streamed:
    """A layer that remembers, inside `streaming`, what its next outputs need of the inputs so far."""

    streams: bool = False
    memory: Tensor | None = None


class CausalConv1d(nn.Conv1d, Streamed):
    """A convolution along time, padded with zeros on the left only (van den Oord et al. 2016, section 2.1)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, dilation=dilation)
        self.reach = (kernel - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, inputs, t), gives (n, outputs, t)."""
        x = pad(x, (self.reach, 0)) if self.memory is None else torch.cat([self.memory, x], 2)
        if self.streams:
            self.memory = x[:, :, x.shape[2] - self.reach :].clone()
        return conv1d(x, self.kernel(), self.bias, dilation=self.dilation)

    def kernel(self) -> Tensor:
        """The weights that are used."""
        return self.weight


class NormedCausalConv1d(CausalConv1d):
    """The same with weight normalisation: w = gain * weight / ||weight|| (Salimans and Kingma 2016, equation 2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, dilation)
        self.gain = nn.Parameter(_norms(self.weight.detach()))

    def kernel(self) -> Tensor:
        """The weights that are used; at first they are `weight`."""
        return self.weight * (self.gain / _norms(self.weight))


def _norms(weight: Tensor) -> Tensor:
    """The norm of the weights of each output, (outputs, 1, 1)."""
    found: Tensor = torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True)
    return found


class CausalGRU(nn.Module, Streamed):
    """A gated recurrent unit (Cho et al. 2014) for sequences with channels before steps."""

    def __init__(self, inputs: int, width: int, layers: int = 1) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, width, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (n, inputs, t), gives (n, width, t)."""
        found, state = self.gru(x.transpose(1, 2), self.memory)
        if self.streams:
            self.memory = state
        outputs: Tensor = found.transpose(1, 2)
        return outputs


@contextmanager
def streaming(model: nn.Module) -> Iterator[None]:
    """Inside the block each call of `model` goes on where the last one stopped; the first one begins a sequence."""
    layers = [module for module in model.modules() if isinstance(module, Streamed)]
    for layer in layers:
        layer.streams, layer.memory = True, None
    try:
        yield
    finally:
        for layer in layers:
            layer.streams, layer.memory = False, None
