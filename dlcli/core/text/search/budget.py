"""Candidate pairs by budget: all pairs of a small table, of a larger one the pairs that are most alike.

A fixed cosine would let through nothing in a small table and too much in a large one, since the number of pairs grows with the
square of the number of texts. So the cosine is chosen such that about as many pairs reach it as there is time to score.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.on_disk import release
from dlcli.core.text.products import product
from dlcli.core.text.search.blocks import Blocks, all_pairs_within, pairs_within
from dlcli.core.text.search.neighbours import PAIR_BYTES, Pairs, cosines, similar_pairs
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.support.memory import check_memory
from dlcli.support.plural import count
from dlcli.support.seeds import derive

if TYPE_CHECKING:
    import torch

_MOST = 40_000
"""Pairs scored at the most, which takes a second; of up to 283 texts these are all pairs."""
_FULL = 2_000
"""From this many texts on the budget falls, since finding the pairs takes the time."""
_LEAST, _PER_TEXT = 10_000, 0.1
_LOWEST = 0.15
_SAMPLED = 1_000_000
"""Cosines computed to choose the level; 1,000 texts are compared with all."""
_ROWS = 1 << 14
"""Rows multiplied at a time."""


def pair_budget(texts: int, block: Blocks | None = None) -> int:
    """How many pairs of a table of n distinct `texts` are to be scored, within the `block` of each if there are blocks."""
    if pairs_within(texts, block) <= _MOST:  # all of them, and none needs to be found
        return _MOST
    return int(max(min(_MOST, _MOST * _FULL / max(1, texts)), _LEAST + _PER_TEXT * texts))


def cosine_within(vectors: Matrix, budget: int, ceiling: float, *, block: Blocks | None = None, seed: int = 0) -> float:
    """The cosine that about `budget` pairs of rows reach, without the pairs that were seen.

    Args:
        vectors: As for `level_within`.
        budget: Number of pairs.
        ceiling: The result is this at the most.
        block: As for `level_within`.
        seed: Seed of the sample.

    Returns:
        The cosine of `level_within`.
    """
    return level_within(vectors, budget, ceiling, block=block, seed=seed).cosine


class PairSample(NamedTuple):
    """The pairs of some rows drawn at random with all rows, and how many pairs of all rows there are for one of them."""

    pairs: Pairs
    times: float


class Level(NamedTuple):
    """The smallest cosine of a pair, and the pairs that were seen when it was chosen; None if none were looked at."""

    cosine: float
    sample: PairSample | None = None


def level_within(vectors: Matrix, budget: int, ceiling: float, *, block: Blocks | None = None, seed: int = 0) -> Level:
    """Choose the cosine that about `budget` pairs of rows reach, from a sample of rows.

    Args:
        vectors: Rows with L2 norm 1 or 0, (n, d).
        budget: Number of pairs.
        ceiling: The result is this at the most.
        block: The block of each row, ascending, (n,): only pairs within a block count. None counts all.
        seed: Seed of the sample.

    Returns:
        The cosine, rounded up to 0.01, at least 0.15, or 0 if all pairs are within the budget; and the pairs of the sample, of
        sparse rows without blocks.
    """
    n = vectors.shape[0]
    if pairs_within(n, block) <= budget:
        return Level(0.0)
    rows = np.sort(np.random.default_rng(derive(seed, "budget")).permutation(n)[: max(100, _SAMPLED // n)]).astype(np.int32)
    # Each pair of the sample with another row is seen once, or twice if both are in the sample.
    rank = int(budget * 2 * len(rows) / n)
    if not sp.issparse(vectors) or block is not None:
        found = vectors[rows] @ vectors.T
        values = found.toarray() if sp.issparse(found) else found
        values[np.arange(len(rows)), rows] = -1
        values = values.ravel() if block is None else values[block[rows][:, None] == block]
        return Level(_level_at(values, min(values.size - 1, rank), ceiling))
    # What is not stored is 0, below any level; each row that is not empty has a cosine of 1 with itself. The product is taken
    # in this order, since scipy copies the matrix that is transposed.
    rank += int((np.diff(vectors[rows].indptr) > 0).sum())
    left, right, values = _largest(vectors, sp.csr_array(vectors[rows].T), rank + 1, ceiling)
    level = _level_at(values, rank, ceiling)
    seen = np.flatnonzero(values >= level)
    return Level(level, _sample(vectors, left[seen], rows, right[seen], None))


def _level_at(values: NDArray[np.float32], rank: int, ceiling: float) -> float:
    """The value of a rank, from 0 for the largest, as a level; 0 stands for what is not among the values."""
    level = float(np.partition(values, values.size - 1 - rank)[values.size - 1 - rank]) if rank < values.size else 0.0
    return float(np.clip(np.ceil(level * 100) / 100, _LOWEST, ceiling))


class _Entries(NamedTuple):
    """Entries of a product: the row and the column of each, and its value."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    values: NDArray[np.float32]

    def some(self, places: NDArray[np.integer]) -> "_Entries":
        """Those at `places`."""
        return _Entries(self.left.take(places), self.right.take(places), self.values.take(places))


def _largest(vectors: sp.csr_array, against: sp.csr_array, count: int, ceiling: float) -> _Entries:
    """The `count` largest entries of a product, in any order, or all if there are fewer, and all that are from `ceiling` on."""
    found = _Entries(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    least = np.float32(-np.inf)
    for start in range(0, vectors.shape[0], _ROWS):
        entries = product(vectors[start : start + _ROWS], against)
        release(vectors)
        left, right = _at_least(entries, least)
        found = _Entries(
            np.append(found.left, (left + start).astype(np.int32)),
            np.append(found.right, right.astype(np.int32)),
            np.append(found.values, entries.data[entries.data >= least]),
        )
        if len(found.values) > count:
            least = np.partition(found.values, len(found.values) - count)[len(found.values) - count]
            least = min(least, np.float32(ceiling))
            found = found.some(np.flatnonzero(found.values >= least))
    return found


def sample_pairs(vectors: Matrix, level: float, *, block: Blocks | None = None, seed: int = 0) -> PairSample:
    """Draw rows and find their pairs with a cosine of `level` or more.

    Args:
        vectors: Rows with L2 norm 1 or 0, (n, d).
        level: Smallest cosine, above 0.
        block: The block of each row, ascending, (n,): only pairs within a block count. None counts all.
        seed: Seed of the sample.

    Returns:
        The pairs. A pair of two rows of the sample is in it twice, since it is twice as likely to be found.
    """
    n = vectors.shape[0]
    rows = np.sort(np.random.default_rng(derive(seed, "pairs")).permutation(n)[: max(100, _SAMPLED // n)]).astype(np.int32)
    against, multiply = (sp.csr_array(vectors[rows].T), product) if sp.issparse(vectors) else (vectors[rows].T, np.matmul)
    first, place = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for start in range(0, n, _ROWS):
        left, right = _at_least(multiply(vectors[start : start + _ROWS], against), level)
        first.append((left + start).astype(np.int32))
        place.append(right.astype(np.int32))
        release(vectors)
    return _sample(vectors, np.concatenate(first), rows, np.concatenate(place), block)


def _sample(
    vectors: Matrix, one: NDArray[np.int32], rows: NDArray[np.int32], place: NDArray[np.integer], block: Blocks | None
) -> PairSample:
    """The pairs of a row and one of those drawn, `rows[place]`; a row and itself, or one of another block, is none."""
    other = rows.take(place)
    kept = np.flatnonzero((one != other) & (True if block is None else block[one] == block[other]))
    one, other = one.take(kept), other.take(kept)
    pairs = Pairs(np.minimum(one, other), np.maximum(one, other), cosines(vectors, one, other))
    return PairSample(pairs, vectors.shape[0] / (2 * len(rows)))


def _at_least(product: Matrix, level: float | np.float32) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The rows and the columns of the entries of `level` or more, of a sparse product those that are stored."""
    if not sp.issparse(product):
        left, right = np.nonzero(product >= level)
        return left, right
    found = np.flatnonzero(product.data >= level)
    return np.repeat(np.arange(product.shape[0]), np.diff(np.searchsorted(found, product.indptr))), product.indices[found]


def check_pairs_fit(vectors: Matrix, level: float, *, block: Blocks | None = None) -> None:
    """Raise ResourceError if the pairs with a cosine of `level` or more will not fit into memory, before they are searched.

    Args:
        vectors: Rows with L2 norm 1 or 0, (n, d).
        level: Smallest cosine, above 0.
        block: The block of each row, ascending, (n,): only pairs within a block count. None counts all.
    """
    found, times = sample_pairs(vectors, level, block=block)
    expected = round(len(found) * times)
    what = (
        f"comparing {count(vectors.shape[0], 'text')}, with about {count(expected, 'pair')} that have "
        f"a cosine of {level:g} or more,"
    )
    check_memory(PAIR_BYTES * expected, what, hint="raise `candidates`, or compare within a column: `within=COLUMN`")


def pairs_from(
    vectors: Matrix,
    level: float,
    *,
    block: Blocks | None = None,
    device: "torch.device | None" = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Pairs:
    """All pairs of rows with a cosine of `level` or more; with 0 all pairs, whatever their cosine.

    Args:
        vectors: Rows with L2 norm 1 or 0.
        level: Smallest cosine.
        block: The block of each row, ascending, (n,): only pairs within a block are returned. None returns all.
        device: Where `similar_pairs` multiplies dense rows.
        advance: Called with the number of rows done since the last call.

    Returns:
        The pairs.
    """
    if level > 0:
        return similar_pairs(vectors, level, block=block, device=device, advance=advance)
    first, second = all_pairs_within(np.zeros(vectors.shape[0], np.int64) if block is None else block)
    return Pairs(first, second, cosines(vectors, first, second))


def united(vectors: Matrix, *found: Pairs) -> Pairs:
    """The pairs that are in any of these, each once and in order, with the cosine of `vectors` as their score."""
    n = vectors.shape[0]
    codes: NDArray[np.int64] = np.unique(np.concatenate([part.first.astype(np.int64) * n + part.second for part in found]))
    first, second = (codes // max(1, n)).astype(np.int32), (codes % max(1, n)).astype(np.int32)
    return Pairs(first, second, np.clip(cosines(vectors, first, second), -1, 1))
