"""Examples in random order, part by part, until a gate is decided or the time is over."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.anytime import LEVEL, anytime_share, decided
from dlcli.core.proportion import proportion
from dlcli.specs.anytime import Stopped
from dlcli.specs.eval import Metric
from dlcli.specs.figures import percent
from dlcli.specs.gate import Gate, gate
from dlcli.support.plural import count
from dlcli.support.seeds import derive

_PARTS, _LEAST, _MOST = 40, 16, 256
"""Number of parts of a set, about, and of examples of a part, at least and at most."""


def random_order(n: int, seed: int) -> NDArray[np.int64]:
    """The numbers from 0 to n - 1 in the random order of a seed."""
    return np.random.default_rng(derive(seed, "order of examples")).permutation(n)


def part_size(n: int) -> int:
    """Examples of a part of n."""
    return min(max(_LEAST, -(-n // _PARTS)), _MOST)


def parts(n: int) -> Iterator[slice]:
    """The parts of n examples."""
    size = part_size(n)
    return (slice(begin, min(begin + size, n)) for begin in range(0, n, size))


@dataclass
class Watch:
    """Counts successes and says when to stop.

    Attributes:
        total: Number of examples of the whole set.
        metric: What a success is called.
        wanted: The gate, None without one.
        when_sure: Whether to stop once the gate is decided.
        limit: Seconds after which to stop, None for no limit.
        by_group: Whether examples come in groups. The interval of the whole set is then wider than that of as many independent
            examples, by how much is not known before its end.
        passes_surely: Whether, besides its share, whatever else makes the gate pass or not is decided at a level; None if there
            is nothing else. Both are then decided at half of `LEVEL` (Bonferroni).
        clock: The time in seconds.
    """

    total: int
    metric: str
    wanted: Gate | None
    when_sure: bool
    limit: float | None
    by_group: bool = False
    passes_surely: Callable[[float], bool] | None = None
    clock: Callable[[], float] = time.perf_counter

    def __post_init__(self) -> None:
        self._started, self._seen, self._hits = self.clock(), 0, 0

    def add(self, right: NDArray[np.bool_]) -> None:
        """Count the examples of a part, (m,)."""
        self._seen, self._hits = self._seen + len(right), self._hits + int(right.sum())

    @property
    def over(self) -> bool:
        """Whether to stop: all are seen, the gate is decided, or another part would pass the limit."""
        if self._seen == self.total or (self.when_sure and self._fails() is not None):
            return True
        passed = self.clock() - self._started
        return self.limit is not None and passed >= self.limit

    def _fails(self) -> bool | None:
        wanted = self.wanted
        if wanted is None:
            return None
        level = LEVEL if self.passes_surely is None else LEVEL / 2
        share = anytime_share(self._hits, self._seen, self.total, level=level)
        fails = decided(share, lambda one: wanted.fails(proportion(min(one, 1.0) * self.total, self.total)))
        if fails is False and self.passes_surely is not None and not self.passes_surely(level):
            return None
        return None if fails and wanted.established and self.by_group else fails

    def stopped(self) -> Stopped:
        """What is known of the whole set."""
        pace = (self.clock() - self._started) / self._seen
        fails = self._fails()
        return Stopped(
            seen=self._seen,
            total=self.total,
            metric=self.metric,
            share=anytime_share(self._hits, self._seen, self.total),
            decided=None if self.wanted is None else fails is not None,
            fails=fails,
            seconds_saved=pace * (self.total - self._seen),
        )


def settled(stopped: Stopped, *, fails: bool) -> Stopped:
    """What is known of a run that saw all examples: its gate is decided by their figure.

    Args:
        stopped: Where the run stopped.
        fails: Whether the bound is not reached.
    """
    return stopped if stopped.early or stopped.decided is None else replace(stopped, decided=True, fails=fails)


def whole_set_shares(metrics: tuple[Metric, ...], seen: int, total: int) -> tuple[Metric, ...]:
    """The metrics with shares of right examples as those of the whole set, whose intervals hold at any moment.

    Args:
        metrics: Those of the examined examples.
        seen: Number of these, in random order.
        total: Number of examples of the whole set.
    """
    shares = [one.name.startswith("top-") and one.estimate.n == seen < total for one in metrics]
    return tuple(
        replace(one, estimate=anytime_share(round(one.estimate.value * seen), seen, total)) if is_share else one
        for one, is_share in zip(metrics, shares, strict=True)
    )


def describe_stop(stopped: Stopped, unit: str, others: str) -> str:
    """A note on where a run stopped and what that tells of the whole set.

    Args:
        stopped: Where.
        unit: What an example is called.
        others: Figures whose intervals do not hold whenever a run stops; empty for none.
    """
    what = f"{percent(stopped.share, '%')} of all {stopped.total:,}, an interval that holds whenever the run stops"
    if stopped.decided:
        verdict = f", so that the gate on it is decided: it {'fails' if stopped.fails else 'passes'}"
    else:
        verdict = "" if stopped.decided is None else "; the gate is not decided"
    saved = f" The other {stopped.total - stopped.seen:,} would have taken about {stopped.seconds_saved:.3g} s more."
    seen = f"Examined {count(stopped.seen, unit)} of {stopped.total:,} in random order; {stopped.metric} {what}{verdict}."
    rest = f" Intervals of {others} are for a number of {unit}s that is fixed in advance." if others else ""
    return seen + (saved + rest if stopped.early else "")


def failed_when_sure(config: Any, stopped: Stopped) -> str:
    """Why the bound of `fail_under` is not reached, see `fails_so_far`; empty if it is."""
    wanted = gate(config.fail_under)
    if wanted is None or not fails_so_far(wanted, stopped):
        return ""
    return f"{wanted.metric} is {wanted.below(stopped.share)}"


def fails_so_far(wanted: Gate, stopped: Stopped) -> bool:
    """Whether a gate fails as far as that is decided; else by the point, and one of the whole interval does not."""
    if stopped.fails is not None:
        return stopped.fails
    return not wanted.established and wanted.fails(stopped.share)
