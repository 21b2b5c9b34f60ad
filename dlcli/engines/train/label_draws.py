"""Comparisons whose seeds share draws of labels: their units are the draws, and what a draw adds to the variance is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlcli.core.variance_share import share_between
from dlcli.engines.train.job import Job
from dlcli.specs.figures import percent
from dlcli.support.plural import count


def draw_of(row: Any) -> int:
    """The seed of the draw of labels of a network, from its row of a result."""
    own = getattr(row, "labels_seed", None)
    seed: int = row.seed if own is None else own
    return seed


def repeats(draws: Sequence[int]) -> int:
    """How many networks share a draw, where there are several draws with as many networks each; else 1."""
    counts = np.unique(draws, return_counts=True)[1]
    return int(counts[0]) if len(counts) > 1 and (counts == counts[0]).all() else 1


def means_by_draw(values: ArrayLike, draws: Sequence[int]) -> NDArray[Any]:
    """The means over networks that share a draw, since only draws are independent.

    Args:
        values: Of the networks, (n, ...).
        draws: The draw of each.

    Returns:
        (draws, ...); `values` themselves where no draw is shared, or all share one.
    """
    table: NDArray[Any] = np.asarray(values)
    if repeats(draws) == 1:
        return table
    return np.stack([table[np.asarray(draws) == draw].mean(0) for draw in dict.fromkeys(draws)])


def draw_notes(jobs: Mapping[str, Job], rows: Sequence[Any], given: str) -> tuple[str, ...]:
    """What share of the variance over seeds is that of the draw of labels, or how to learn it.

    Args:
        jobs: The sides of a comparison by name.
        rows: The networks.
        given: What the side of the options given is called; "" without a variant of it.
    """
    config = next(iter(jobs.values())).config
    if config.labels is None or not rows:
        return ()
    if config.labels_seed is not None:
        return (f"All networks have the labels of draw {config.labels_seed}: verdicts are about these labels.",)
    each = {name: [row for row in rows if row.variant == name] for name in jobs}
    shared = repeats([draw_of(row) for row in next(iter(each.values()))])
    if shared == 1:
        return (
            "Seeds vary the draw of labels, the initial weights and the order together. `label_draws=3` with `seeds=6` tells "
            "what share of the variance is the draw's, `labels_seed=0` keeps one draw.",
        )
    shares = {name: share_between(_table(of_side, shared)) for name, of_side in each.items() if len(of_side) > shared}
    shown = [f"{given if name == 'this' and given else name} {percent(share, '%')}" for name, share in shares.items()]
    n = len(next(iter(each.values()))) // shared
    what = f"{count(n, 'draw')} with {shared} seeds each; differences are over draws"
    return (f"Share of the variance of test accuracy that is the draw's of labels: {', '.join(shown)} ({what}).",)


def _table(rows: Sequence[Any], shared: int) -> NDArray[np.float64]:
    """Test accuracies (draws, shared) of the networks of a side."""
    by_draw: dict[int, list[float]] = {}
    for row in rows:
        by_draw.setdefault(draw_of(row), []).append(row.accuracy.value)
    return np.array([values for values in by_draw.values() if len(values) == shared])
