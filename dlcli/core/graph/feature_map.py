"""The last spatial feature map of any network, found by one forward pass that is recorded (`core/graph/trace.py`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

from torch import Tensor, nn

from dlcli.core.graph.output_ops import MarkedEnd, leading_to_output
from dlcli.core.graph.trace import CONVOLUTIONS, POOLINGS, WEIGHTED, Op, keep_output, record_trace
from dlcli.support.errors import InputError

_NONE = "the network has no spatial feature map before its answer"


@dataclass(frozen=True)
class LastFeatureMap:
    """The output of the last operation before pooling through which all paths to the answer go.

    `node` is that operation in the trace, `shape` (c, h, w) its output for one image.
    """

    node: int
    shape: tuple[int, ...]

    @contextmanager
    def kept(self, model: nn.Module, x: Tensor) -> Iterator[list[Tensor]]:
        """Keep the feature map (n, c, h, w) in the list, while the block runs `model` once on `x` (n, c, h, w).

        Raises InputError if the network does something else on these images than on the one by which the map was found.
        """
        with keep_output(model, x, self.node) as seen:
            yield seen
        if [tuple(one.shape) for one in seen] != [(len(x), *self.shape)]:
            raise InputError("the network runs other operations on several images than on one")


def last_feature_map(model: nn.Module, sample: Tensor) -> LastFeatureMap:
    """Find it by a pass on `sample` (1, c, h, w).

    It is the last map of the size of the last convolution, which activations, sums and norms may follow, but not attention
    or fully connected layers at every position. Raises InputError if there is none, or the network is a program.
    """
    ops = leading_to_output(record_trace(MarkedEnd(model), sample))
    convolutions = [op for op in ops if op.name in CONVOLUTIONS and _is_spatial(op)]
    if not convolutions:
        raise InputError(_NONE, hint="it has no convolution whose output has a height and a width")
    last = convolutions[-1]
    same = [op for op in ops if op.name not in POOLINGS and op.descends_from(last.node) and _size(op) == _size(last)]
    found = same[-1]
    for op in ops:
        if op.name in WEIGHTED and not found.descends_from(op.node):
            if not op.descends_from(found.node):
                raise InputError(_NONE, hint="several paths lead to it, as in an ensemble")
            if _is_positional(op):
                raise InputError(_NONE, hint="after its last convolution it works on tokens, as transformers do")
    return LastFeatureMap(found.node, found.shape[1:])


def _size(op: Op) -> tuple[int, ...]:
    return op.shape[2:] if len(op.shape) == 4 else ()


def _is_spatial(op: Op) -> bool:
    return prod(_size(op)) > 1


def _is_positional(op: Op) -> bool:
    """Whether it has an output at each of several positions or tokens."""
    return prod(op.shape[2:] if op.name in CONVOLUTIONS else op.shape[1:-1]) > 1
