"""The operations of a recorded forward pass that lead to the output of the network."""

from torch import Tensor, nn

from dlcli.core.compute.forward import is_opaque
from dlcli.core.graph.trace import RELUS, WEIGHTED, Op, Trace, record_trace

_END = "clone"


class MarkedEnd(nn.Module):
    """A network with one more operation at its end, by which the trace identifies its output."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """The output of the network."""
        found: Tensor = self.inner(x)
        return found.clone()


def leading_to_output(trace: Trace) -> list[Op]:
    """The operations of a trace of a `MarkedEnd` that lead to its output, in order; none if it does not depend on the input."""
    end = trace.ops[-1] if trace.ops else None
    if end is None or (end.name, end.owner) != (_END, ""):
        return []
    return [op for op in trace.ops[:-1] if end.descends_from(op.node)]


def ends_in_relu(model: nn.Module, sample: Tensor) -> bool:
    """Whether a ReLU follows the last layer with weights on the way to the output, so that no output is below 0.

    Args:
        model: The network.
        sample: An example of its input, (1, c, h, w).
    """
    if is_opaque(model):
        return False
    names = [op.name for op in leading_to_output(record_trace(MarkedEnd(model), sample))]
    last = max((k for k, name in enumerate(names) if name in WEIGHTED), default=len(names))
    return bool(RELUS & set(names[last + 1 :]))
