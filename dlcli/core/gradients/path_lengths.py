"""How much gradient comes by paths of each length through a residual network (Veit et al. 2016, arXiv 1605.06431, section 4.2).

A path of length k goes through the branch of k residual blocks and by the shortcut of all others. The forward pass stays what
it is; going back, the gradient is let through one way at each sum. What the paths of length k bring all together is the
mean over some of them times their number, C(n, k).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, log
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.rng import generator
from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.graph.rewire import Call, address_of, rewire
from dlcli.core.graph.skips import Skip
from dlcli.core.graph.trace import record_trace
from dlcli.core.surgery.base import deep_copy
from dlcli.core.surgery.operations.residual_scale import skips_of

EFFECTIVE_SHARE = 0.95
"""The share of the gradient that the effective range of lengths brings."""


class LengthRange(NamedTuple):
    """Path lengths from `low` to `high`, both included, in residual blocks."""

    low: int
    high: int


@dataclass(frozen=True)
class PathLengths:
    """By length in blocks, 0 to n, (n + 1,) each: the share of all paths, of all gradient, and the mean norm of one path's.

    The shares of the gradient are all 0 where there is none.
    """

    paths: NDArray[np.float64]
    gradient: NDArray[np.float64]
    one: NDArray[np.float64]

    @property
    def mean_by_count(self) -> float:
        """The mean length of a path: n / 2."""
        return float(self.paths @ np.arange(len(self.paths)))

    @property
    def mean_by_gradient(self) -> float:
        """The mean length where a path counts by its gradient."""
        return float(self.gradient @ np.arange(len(self.gradient)))

    @property
    def effective(self) -> LengthRange:
        """The shortest range of lengths that brings at least `EFFECTIVE_SHARE` of the gradient, of which there must be some."""
        sums = np.concatenate([[0.0], np.cumsum(self.gradient)])
        n = len(self.gradient)
        ranges = (LengthRange(low, high) for low in range(n) for high in range(low, n))
        enough = [one for one in ranges if sums[one.high + 1] - sums[one.low] >= EFFECTIVE_SHARE]
        return min(enough, key=lambda one: (one.high - one.low, one.low))


def path_lengths(
    model: nn.Module, x: Tensor, derivative: Derivative, *, draws: int, seed: int, device: torch.device
) -> PathLengths:
    """Measure how much of the gradient flows through paths of each length.

    Args:
        model: The network; it is not changed.
        x: Inputs (m, ...).
        derivative: What to differentiate, and with respect to what.
        draws: The most paths to measure per length; they are sampled where there are more.
        seed: Seed of that sample.
        device: Where to run.

    Returns:
        The shares of paths and of gradient by length. The norm of a path's gradient is the mean L2 norm over inputs.

    Raises:
        InputError: If the network has no residual block. Also raises what `input_gradients` raises.
    """
    # The forward pass is that of the whole network, so activations and ReLU patterns are the real ones; only the backward pass
    # is restricted to one path, by detaching the other operand of each sum.
    done = deep_copy(model)
    skips = skips_of(record_trace(done, x[:1].to(device)))
    gate = _Gate()
    rewire(done, {address_of(skip.add): _OneWay(gate, number, skip) for number, skip in enumerate(skips)})
    random, n = generator(seed), len(skips)
    one = np.zeros(n + 1)
    for length in range(n + 1):
        found = []
        for gate.through in _blocks(n, length, draws, random):
            found.append(float(input_gradients(done, x, derivative, device=device).norm(dim=1).mean()))
        one[length] = np.mean(found)
    return _shares(one)


def _blocks(n: int, length: int, draws: int, random: torch.Generator) -> Iterator[frozenset[int]]:
    """All choices of `length` of n blocks if there are no more than `draws`, else `draws` of them at random."""
    if comb(n, length) <= draws:
        yield from map(frozenset, combinations(range(n), length))
        return
    for _ in range(draws):
        yield frozenset(torch.randperm(n, generator=random)[:length].tolist())


def _shares(one: NDArray[np.float64]) -> PathLengths:
    n = len(one) - 1
    # In logarithms: C(100, 50) paths, each with a gradient of 1e-40, exceed the range of floats as products, not as sums.
    counts = np.array([log(comb(n, k)) for k in range(n + 1)])
    paths = np.exp(counts - n * log(2))
    with np.errstate(divide="ignore"):
        weights = counts + np.log(one)
    gradient = np.exp(weights - weights.max()) if np.isfinite(weights).any() else np.zeros(n + 1)
    total = gradient.sum()
    return PathLengths(paths, gradient / total if total else gradient, one)


class _Gate:
    """The blocks through whose branches the gradient goes."""

    through: frozenset[int] = frozenset()


class _OneWay:
    """An edit of a residual sum: only one operand keeps its gradient."""

    def __init__(self, gate: _Gate, number: int, skip: Skip) -> None:
        self._gate, self._number, self._operand = gate, number, skip.operand

    def __call__(self, call_next: Call, operation: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        closed = 1 - self._operand if self._number in self._gate.through else self._operand
        return call_next(operation, _detached(args, closed), kwargs)


def _detached(args: Sequence[Any], place: int) -> tuple[Any, ...]:
    # A copy, because an addition in place must not overwrite what the other operand still needs.
    return (*args[:place], args[place].detach().clone(), *args[place + 1 :])
