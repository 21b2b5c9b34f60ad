"""Scores as counts of votes for each level, which a .npz may have in place of scores."""

import numpy as np

from dlcli.core.data.base import Array
from dlcli.support.errors import InputError

HISTOGRAM = ("histogram",)
"""The value of `raters` for counts of votes."""
VOTES = "votes"
"""The metadata column with what each example got: a row of shares of votes and, as its first number, the lowest level."""
LEVELS = "levels"
"""The array with the scores that the columns of a histogram stand for."""


def votes_of_counts(where: str, counts: Array, levels: Array | None) -> Array:
    """The metadata column of counts, or shares, of votes.

    Args:
        where: The array, for messages.
        counts: One row per example, one column per level, (n, k).
        levels: The scores that the columns stand for, (k,), integers one after the other; None for 1 to k.

    Returns:
        An object for each example, (n,).

    Raises:
        InputError: Naming the row of counts that are not votes.
    """
    if counts.ndim != 2 or counts.shape[1] < 2 or counts.dtype.kind not in "iuf":
        raise InputError(f"{where} has shape {tuple(counts.shape)}; a histogram is (n, levels)")
    rows = counts.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(rows).all(1) | (rows < 0).any(1) | (rows.sum(1) <= 0))
    if len(wrong):
        raise InputError(f"{where}: row {wrong[0] + 1}: {counts[wrong[0]].tolist()} are not votes", hint="counts are 0 or more")
    low = _lowest(where, counts.shape[1], levels)
    shares = rows / rows.sum(1, keepdims=True)
    found = np.empty(len(rows), dtype=object)
    found[:] = [np.concatenate([[low], row]) for row in shares]
    return found


def _lowest(where: str, n: int, levels: Array | None) -> int:
    if levels is None:
        return 1
    values = np.asarray(levels, dtype=np.float64)
    if values.shape != (n,) or (values != np.round(values)).any() or (np.diff(values) != 1).any():
        raise InputError(f"{where}: '{LEVELS}' must be {n} integers one after the other, such as 1 to {n}")
    return int(values[0])


def mean_votes(votes: Array) -> Array:
    """The mean score (n,) of a column of votes."""
    table = np.stack(list(votes))
    found: Array = table[:, 1:] @ np.arange(table.shape[1] - 1) + table[:, 0]
    return found
