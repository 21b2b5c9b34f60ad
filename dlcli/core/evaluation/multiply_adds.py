"""Multiply-adds of anything that runs, counted where torch dispatches operators: functional calls and attention count too."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dlcli.core.compute.forward import call_model, in_mode
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import preserved

_Shape = Sequence[int]


def _with_vector(added: _Shape, matrix: _Shape, vector: _Shape, **_: Any) -> int:
    return 2 * prod(matrix)


def _lstm_layer(x: _Shape, of_input: _Shape, of_state: _Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(x[:-1]) * (prod(of_input) + prod(of_state))


def _recurrent(x: _Shape, weights: Sequence[_Shape], *_: Any, **__: Any) -> int:
    return 2 * prod(x[:-1]) * sum(prod(weight) for weight in weights if len(weight) > 1)


_FLOPS: dict[Any, Callable[..., int]] = {
    torch.ops.aten.mv: lambda matrix, vector, **_: 2 * prod(matrix),
    torch.ops.aten.dot: lambda one, other, **_: 2 * prod(one),
    torch.ops.aten.addmv: _with_vector,
    torch.ops.aten.mkldnn_rnn_layer: _lstm_layer,
    torch.ops.aten._cudnn_rnn: _recurrent,
}
"""By the shapes of their arguments, operators that torch's own table of matrix products and convolutions lacks."""


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Inside the block the yielded function gives the multiply-adds of all convolutions and matrix products run so far.

    Fused attention is taken apart into its products, which are what is counted; norms, activations, sums, pooling and
    biases count 0.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False, custom_mapping=_FLOPS) as counter:
            yield lambda: counter.get_total_flops() // 2
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def multiply_adds_of(model: nn.Module, x: Tensor) -> int:
    """The multiply-adds of `model` for images `x` (n, ...), bytes or floats, in evaluation mode."""
    like = next(model.parameters())
    with in_mode(model), preserved(), torch.no_grad(), counting() as total:
        call_model(model, to_float(x).to(like))
        return total()
