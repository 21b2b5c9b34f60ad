"""y = shortcut(x) + b * branch(x): residual branches scaled down (Szegedy et al. 2016, arXiv 1602.07261, section 3.3).

Balduzzi et al. 2017 (arXiv 1702.08591, section 3.3) show why: gradients stay correlated over more layers.
"""

from math import inf
from typing import Any

from torch import Tensor, nn

from dlcli.core.graph.rewire import Call, address_of, rewire
from dlcli.core.graph.skips import Skip, find_skips
from dlcli.core.graph.trace import Trace, record_trace
from dlcli.core.surgery.base import SurgeryResult, deep_copy, parse_number
from dlcli.support.errors import InputError
from dlcli.support.plural import count

ARGUMENT = "FACTOR above 0, such as 0.1"


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a number above 0."""
    parse_number(argument, low=0.0, high=inf)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy that scales what each residual branch adds; raises InputError if there is no residual block."""
    factor = parse_number(argument, low=0.0, high=inf)
    done = deep_copy(model)
    skips = skips_of(record_trace(done, sample))
    rewire(done, {address_of(skip.add): Scaled(skip.operand, factor) for skip in skips})
    return SurgeryResult(done, f"{count(len(skips), 'residual branch', 'residual branches')} scaled by {factor:g}")


def skips_of(trace: Trace) -> tuple[Skip, ...]:
    """The residual blocks of a network; raises InputError if there is none."""
    skips = find_skips(trace)
    if not skips:
        raise InputError("the network has no residual block: nothing is added to what it was made from")
    return skips


class Scaled:
    """An edit of a sum: its positional operand `operand` is multiplied by `factor` before."""

    def __init__(self, operand: int, factor: float) -> None:
        self._operand, self._factor = operand, factor

    def __call__(self, call_next: Call, operation: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Scale and add; what was added in place still is."""
        return call_next(operation, scaled(args, self._operand, self._factor, operation), kwargs)


def scaled(args: tuple[Any, ...], operand: int, factor: float, operation: Call) -> tuple[Any, ...]:
    """Multiply one operand of a sum, in place if the sum writes to it.

    Args:
        args: The operands.
        operand: Index of the one to multiply.
        factor: By what.
        operation: The function that adds.

    Returns:
        The operands.
    """
    in_place = operand == 0 and getattr(operation, "__name__", "").endswith("_")
    term = args[operand].mul_(factor) if in_place else args[operand] * factor
    return (*args[:operand], term, *args[operand + 1 :])
