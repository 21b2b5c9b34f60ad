"""What the rules share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from dlcli.core.graph.skips import Skip, find_skips
from dlcli.core.graph.trace import ADDITIONS, CONCATENATIONS, CONVOLUTIONS, Op, Trace

_PRODUCTS = frozenset({"mul", "mul_", "__mul__", "__imul__", "multiply"})
_GLOBAL_POOLINGS = frozenset({"adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "amax"})
_ENDS = _PRODUCTS | CONCATENATIONS | ADDITIONS
"""What a gate does not reach back across."""


@dataclass(frozen=True)
class TracedNetwork:
    """A network for images and one forward pass of it."""

    model: nn.Module
    trace: Trace

    @cached_property
    def convolutions(self) -> tuple[Op, ...]:
        """The calls of Conv2d modules, in order."""
        return tuple(op for op in self.trace.ops_named(frozenset({"conv2d"})) if isinstance(self._layer(op), nn.Conv2d))

    @cached_property
    def skips(self) -> tuple[Skip, ...]:
        """Its residual blocks, in order."""
        return find_skips(self.trace)

    def is_pointwise(self, op: Op) -> bool:
        """Whether a convolution is one of 1x1."""
        return self.kernel(op) == (1, 1)

    def kernel(self, op: Op) -> tuple[int, ...]:
        """Height and width of a convolution's kernel."""
        layer = self._layer(op)
        return tuple(layer.kernel_size) if isinstance(layer, nn.Conv2d) else ()

    def is_last(self, op: Op) -> bool:
        """Whether what a convolution gives reaches no other convolution and no fully connected layer: it is the head."""
        after = self.trace.ops_named(CONVOLUTIONS | {"linear"})
        return not any(other.node != op.node and other.descends_from(op.node) for other in after)

    def is_gate(self, op: Op) -> bool:
        """Whether a convolution is part of a squeeze-excite gate: behind a pooling of the whole map, before a product."""
        products = self.trace.ops_named(_PRODUCTS)
        return self._pooled(op) and any(other.descends_from(op.node) for other in products)

    def _pooled(self, op: Op) -> bool:
        """Whether what goes into `op` comes of such a pooling through layers that keep it, such as other layers of the gate."""
        before: Op | None = op
        while before is not None and before.parents:
            before = self.trace.op(before.parents[0])
            if before is not None and before.name in _GLOBAL_POOLINGS:
                return True
            if before is not None and before.name in _ENDS:
                return False
        return False

    def _layer(self, op: Op) -> nn.Module:
        return self.model.get_submodule(op.layer)


def layer_paths(ops: list[Op], where: Callable[[Op], bool] = lambda op: True) -> list[str]:
    """The layers of the operations `where` holds, each once."""
    return list(dict.fromkeys(op.layer for op in ops if where(op)))


def spread_evenly(weight: Tensor, taps: int) -> Tensor:
    """(out, in, kh, kw) to (out, in, taps, kh, kw): a part of the weight at each tap, so that a still clip gives the same."""
    return (weight / taps).unsqueeze(2).repeat(1, 1, taps, 1, 1)
