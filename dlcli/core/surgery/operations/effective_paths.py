"""Train only the paths of useful length (Veit et al. 2016, arXiv 1605.06431, section 4.3).

For each mini-batch some residual blocks, chosen at random, work, and the others are their shortcuts alone, so that the longest
path through the branches has between lo and hi layers. What the m of n working branches add is multiplied by
sqrt(n / m), which keeps the variance of the sum, and with it the running statistics, what the whole network's is. In
evaluation mode nothing is dropped.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.graph.rewire import Call, address_of, rewire
from dlcli.core.graph.skips import Skip
from dlcli.core.graph.trace import record_trace
from dlcli.core.surgery.base import SurgeryResult, deep_copy
from dlcli.core.surgery.operations.residual_scale import scaled, skips_of
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count

ARGUMENT = "LO-HI, how many layers the paths have, such as 10-34"


def check(argument: str) -> None:
    """Raise UsageError unless `argument` is a range of whole numbers from 1 up."""
    _range(argument)


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy that drops residual branches while it trains.

    Raises InputError if there is no residual block, or no choice of whole blocks has that many layers.
    """
    low, high = _range(argument)
    done = deep_copy(model)
    skips = skips_of(record_trace(done, sample))
    plan = _Plan([skip.depth for skip in skips], low, high)
    _check_range(skips, plan)
    rewire(done, {address_of(skip.add): _Drawn(plan, parse_number, skip.operand) for parse_number, skip in enumerate(skips)})
    done.register_forward_pre_hook(plan.draw, prepend=True)
    blocks = plan.lengths()
    shown = f"{blocks[0]} to {blocks[-1]}" if len(blocks) > 1 else f"{blocks[0]}"
    return SurgeryResult(done, f"{shown} of {count(len(skips), 'residual block')} work in each mini-batch")


def _range(argument: str) -> tuple[int, int]:
    low, _, high = argument.partition("-")
    if not (low.isascii() and high.isascii() and low.isdigit() and high.isdigit() and 1 <= int(low) <= int(high)):
        raise UsageError(f"'{argument}' is not a range LO-HI of layers", hint="`surgery=effective-paths=10-34`")
    return int(low), int(high)


def _check_range(skips: tuple[Skip, ...], plan: "_Plan") -> None:
    if not plan.lengths():
        deepest, most = max(plan.depths), sum(plan.depths)
        message = f"no choice of whole blocks has {plan.low} to {plan.high} layers: blocks have {deepest}, all together {most}"
        raise InputError(message)


class _Plan:
    """Which branches work in the mini-batch under way; None: all, as in evaluation."""

    def __init__(self, depths: list[int], low: int, high: int) -> None:
        self.depths, self.low, self.high = depths, low, high
        self.working: frozenset[int] | None = None

    def lengths(self) -> list[int]:
        """The numbers of blocks that give a length in range on average over the blocks."""
        mean = sum(self.depths) / len(self.depths)
        return [m for m in range(1, len(self.depths) + 1) if self.low <= m * mean <= self.high]

    def draw(self, module: nn.Module, args: object) -> None:
        """Draw the blocks of the next mini-batch from torch's global generator, so that a seed gives the same choices."""
        if not module.training:
            self.working = None
            return
        lengths = self.lengths()
        m = lengths[int(torch.randint(len(lengths), ()))]
        self.working = frozenset(torch.randperm(len(self.depths))[:m].tolist())

    def factor(self, parse_number: int) -> float:
        """By what the branch is multiplied."""
        if self.working is None:
            return 1.0
        return math.sqrt(len(self.depths) / len(self.working)) if parse_number in self.working else 0.0


class _Drawn:
    """An edit of a residual sum, by what the plan says."""

    def __init__(self, plan: _Plan, parse_number: int, operand: int) -> None:
        self._plan, self._number, self._operand = plan, parse_number, operand

    def __call__(self, call_next: Call, operation: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        factor = self._plan.factor(self._number)
        return call_next(operation, args if factor == 1.0 else scaled(args, self._operand, factor, operation), kwargs)
