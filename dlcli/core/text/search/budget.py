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
    """The cosine that about `budget` pairs of rows reach, from a sample of rows.

    Args:
        vectors: Rows with L2 norm 1 or 0, (n, d).
        budget: Number of pairs.
        ceiling: The result is this at the most.
        block: The block of each row, ascending, (n,): only pairs within a block count. None counts all.
        seed: Seed of the sample.

    Returns:
        The cosine, rounded up to 0.01, at least 0.15; 0 if all pairs are within the budget.
    """
    n = vectors.shape[0]
    if pairs_within(n, block) <= budget:
        return 0.0
    rows = np.sort(np.random.default_rng(derive(seed, "budget")).permutation(n)[: max(100, _SAMPLED // n)])
    # Each pair of the sample with another row is seen once, or twice if both are in the sample.
    rank = int(budget * 2 * len(rows) / n)
    if sp.issparse(vectors) and block is None:
        # What is not stored is 0, below any level; each row that is not empty has a cosine of 1 with itself. The product is
        # taken in this order, since scipy copies the matrix that is transposed.
        rank += int((np.diff(vectors[rows].indptr) > 0).sum())
        values = _largest(vectors, sp.csr_array(vectors[rows].T), rank + 1)
    else:
        found = vectors[rows] @ vectors.T
        values = found.toarray() if sp.issparse(found) else found
        values[np.arange(len(rows)), rows] = -1
        values = values.ravel() if block is None else values[block[rows][:, None] == block]
        rank = min(values.size - 1, rank)
    level = float(np.partition(values, values.size - 1 - rank)[values.size - 1 - rank]) if rank < values.size else 0.0
    return float(np.clip(np.ceil(level * 100) / 100, _LOWEST, ceiling))


def _largest(vectors: sp.csr_array, against: sp.csr_array, count: int) -> NDArray[np.float32]:
    """The `count` largest entries of a product, in any order, or all that are stored if there are fewer."""
    found = np.empty(0, np.float32)
    for start in range(0, vectors.shape[0], _ROWS):
        found = np.append(found, product(vectors[start : start + _ROWS], against).data)
        release(vectors)
        found = found if len(found) <= count else np.partition(found, len(found) - count)[-count:]
    return found


class PairSample(NamedTuple):
    """The pairs of some rows drawn at random with all rows, and how many pairs of all rows there are for one of them."""

    pairs: Pairs
    times: float


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
    first, second = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for start in range(0, n, _ROWS):
        left, right = _at_least(multiply(vectors[start : start + _ROWS], against), level)
        first.append((left + start).astype(np.int32))
        second.append(rows[right])
        release(vectors)
    one, other = np.concatenate(first), np.concatenate(second)
    kept = np.flatnonzero((one != other) & (True if block is None else block[one] == block[other]))
    one, other = one.take(kept), other.take(kept)
    pairs = Pairs(np.minimum(one, other), np.maximum(one, other), cosines(vectors, one, other))
    return PairSample(pairs, n / (2 * len(rows)))


def _at_least(product: Matrix, level: float) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The rows and the columns of the entries of `level` or more, which is above 0."""
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
