"""All pairs of vectors with a cosine at or above a threshold, in blocks, with bounded memory.

Sparse rows are joined exactly, however many there are, and so are dense rows up to `EXACT_ROWS`, or any number of them on an
accelerator; otherwise dense rows are joined by cells, which is approximate.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.search.blocks import Blocks, block_ends, pairs_within, searched
from dlcli.core.text.search.cell_join import cell_candidates
from dlcli.core.text.search.sparse_join import sparse_candidates
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.support.errors import ResourceError
from dlcli.support.memory import available_memory
from dlcli.support.seeds import derive

if TYPE_CHECKING:
    import torch

PAIR_BYTES = 150
"""Bytes of a pair, with those of its copies while pairs are sorted, scored and grouped."""

EXACT_ROWS = 50_000
"""Up to this many dense rows all are multiplied with all on a CPU; for more, that costs more than the search by cells."""

SLACK = 1e-5
"""Subtracted from the threshold in the search for candidates: far more than float32 rounding of a product of unit vectors."""
ROUNDING = 1e-6
"""A pair is kept from the threshold minus this on, so that two equal rows have a cosine of 1 despite rounding."""
CPU_WORK = 1 << 19
"""Usual multiplications per block of dense rows on a CPU."""
SPARSE_WORK = 1 << 20
"""The same of sparse rows, for which a block has more steps."""
_CHUNK = 1 << 16
_PAIRS = 1 << 12
"""Pairs whose rows are taken at a time; these stay in the cache."""
_Number = TypeVar("_Number", np.int32, np.int64)
_COMPARED = 50_000_000
"""Most dot products for measuring recall; 500 rows with 500,000 took 3 CPU seconds."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows `first[k] < second[k]` with their cosine `score[k]`, sorted by `first`, then `second`."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)

    def from_cosine(self, threshold: float) -> "Pairs":
        """The pairs that an exact search from `threshold` on finds, of one from a smaller cosine on."""
        kept = self.score >= threshold - ROUNDING
        return Pairs(self.first[kept], self.second[kept], self.score[kept])


class RecallCounts(NamedTuple):
    """For each row of a brute-force sample, (rows,), how many of its pairs were found, and how many it has."""

    found: NDArray[np.int64]
    total: NDArray[np.int64]


def similar_pairs(
    vectors: Matrix,
    threshold: float,
    *,
    block: Blocks | None = None,
    work: int | None = None,
    exact_rows: int = EXACT_ROWS,
    max_pairs: int | None = None,
    device: "torch.device | None" = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Pairs:
    """Find every pair of rows whose dot product is at least `threshold`, to 1e-6.

    Among more than `exact_rows` dense rows some pairs may be missing on a CPU: see `cell_join`, and `sampled_recall` to measure
    it. Otherwise, every method gives the same pairs, bit for bit.

    Args:
        vectors: Rows with L2 norm 1 or 0, sparse or dense, (n, d).
        threshold: Smallest cosine, in (0, 1].
        block: The block of each row, ascending, (n,): only pairs within a block are returned. None returns all.
        work: Multiplications per block, which bounds the memory to about 50 bytes each; it does not change the result.
            None chooses it for the method.
        exact_rows: Most dense rows to join exactly without a device.
        max_pairs: Most pairs to return; None for as many as fit into memory.
        device: Where to multiply dense rows with torch. None uses numpy, which is faster on a CPU.
        advance: Called with the number of rows done since the last call.

    Returns:
        The pairs.

    Raises:
        ValueError: If `threshold` is not in (0, 1].
        ResourceError: If there are more than `max_pairs`.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold} is not in (0, 1]")
    candidates, usual = _method(vectors, exact_rows, device, block)
    found: list[Pairs] = []
    count, most = 0, _room() if max_pairs is None else max_pairs
    for first, second, rows in candidates(searched(vectors, block), threshold - SLACK, usual if work is None else work):
        first, second = in_one_block(block, first, second)
        found.append(confirm_pairs(vectors, first, second, threshold))
        count += len(found[-1])
        if count > most:
            why = ", and memory holds no more" if max_pairs is None else ""
            message = f"more than {most:,} pairs have a cosine of {threshold:g} or more{why}"
            raise ResourceError(message, hint="raise `candidates`")
        advance(rows)
    return in_row_order(found)


def _room() -> float:
    """How many pairs fit into memory."""
    there = available_memory()
    return math.inf if there is None else there // PAIR_BYTES


class _Method(NamedTuple):
    """A search for candidates, and its usual multiplications per block."""

    search: "Callable[[Matrix, float, int], _Candidates]"
    work: int


def in_one_block(
    block: Blocks | None, first: NDArray[_Number], second: NDArray[_Number]
) -> tuple[NDArray[_Number], NDArray[_Number]]:
    """Drop the pairs of rows of different blocks.

    Returns:
        The two rows of each remaining pair.
    """
    if block is None:
        return first, second
    kept = np.flatnonzero(block[first] == block[second])
    return first.take(kept), second.take(kept)


def _method(vectors: Matrix, exact_rows: int, device: "torch.device | None", block: Blocks | None) -> _Method:
    if sp.issparse(vectors):
        return _Method(sparse_candidates, SPARSE_WORK)
    if device is not None:
        from dlcli.core.text.search.device_join import WORK, device_candidates  # here, because it imports torch

        return _Method(partial(device_candidates, device=device), WORK)
    if finds_all(vectors, block, device, exact_rows=exact_rows):
        return _Method(partial(_dense_candidates, block=block), CPU_WORK)
    return _Method(cell_candidates, CPU_WORK)


def finds_all(vectors: Matrix, block: Blocks | None, device: "torch.device | None", *, exact_rows: int = EXACT_ROWS) -> bool:
    """Whether `similar_pairs` is exact, so that there is no recall to estimate.

    Args:
        vectors: Rows, sparse or dense, (n, d).
        block: The block of each row, (n,), if only pairs within a block count.
        device: Where dense rows are multiplied; None is the CPU.
        exact_rows: Most dense rows that are joined exactly on the CPU.

    Returns:
        Whether no pair can be missing.
    """
    most = exact_rows * (exact_rows - 1) // 2
    return sp.issparse(vectors) or device is not None or pairs_within(vectors.shape[0], block) <= most


def cosines(
    vectors: Matrix, first: NDArray[np.int32], second: NDArray[np.int32], others: Matrix | None = None
) -> NDArray[np.float32]:
    """The dot product of each pair of rows.

    Args:
        vectors: Rows with L2 norm 1 or 0.
        first: One row of each pair.
        second: The other row, one of `others`.
        others: Rows; None takes `vectors`.

    Returns:
        The products, (pairs,).
    """
    others = vectors if others is None else others
    parts = [_dots(vectors[first[k : k + _PAIRS]], others[second[k : k + _PAIRS]]) for k in range(0, len(first), _PAIRS)]
    return np.concatenate([np.empty(0, np.float32), *parts])


def sampled_recall(
    vectors: Matrix,
    pairs: Pairs,
    threshold: float,
    *,
    among: NDArray[np.int64] | None = None,
    block: Blocks | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> RecallCounts:
    """Count how many of the pairs of each row of a random sample, found by brute force, are in `pairs`.

    Args:
        vectors: Rows with L2 norm 1 or 0.
        pairs: The pairs that a search found.
        threshold: Smallest cosine of a pair.
        among: Rows to draw the sample from; None draws from all.
        block: The block of each row, (n,): only pairs within a block count. None counts all.
        sample: Size of the sample. None takes 500, reduced to at most `_COMPARED` products with all rows but at least 100.
        seed: Seed of the sample.

    Returns:
        The counts, from which `grouped_share` makes an estimate of the recall: rows were drawn, not pairs.
    """
    n = vectors.shape[0]
    sample = min(500, max(100, _COMPARED // max(1, n))) if sample is None else sample
    rows = np.random.default_rng(derive(seed, "recall")).permutation(n if among is None else among)[:sample]
    against = vectors[rows].T
    against = against.toarray(order="C") if sp.issparse(against) else against
    owners, truth = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, n, _CHUNK // 4):
        # Pairs exactly at the threshold are skipped: rounding decides on which side they are.
        left, right = np.nonzero(vectors[start : start + _CHUNK // 4] @ against >= threshold + ROUNDING)
        left, right = in_one_block(block, (left + start).astype(np.int64), rows[right])
        left, right = left[left != right], right[left != right]
        owners.append(right)
        truth.append(np.minimum(left, right) * n + np.maximum(left, right))
    owner, wanted = np.concatenate(owners), np.concatenate(truth)
    found = pairs.first.astype(np.int64) * n + pairs.second  # in order
    there = np.append(found, -1)[np.searchsorted(found, wanted)] == wanted
    return RecallCounts(np.bincount(owner[there], minlength=n)[rows], np.bincount(owner, minlength=n)[rows])


def _dots(left: Matrix, right: Matrix) -> NDArray[np.float32]:
    if sp.issparse(left):
        return np.asarray(left.multiply(right).sum(axis=1), dtype=np.float32).ravel()
    products: NDArray[np.float32] = np.einsum("ij,ij->i", left, right)
    return products


def confirm_pairs(vectors: Matrix, first: NDArray[np.int32], second: NDArray[np.int32], threshold: float) -> Pairs:
    """Keep the candidates whose cosine, computed again for each pair alone, is at or above the threshold.

    A product of blocks may round differently with the size of the block; a score must not depend on it.

    Args:
        vectors: Rows with L2 norm 1 or 0.
        first: One row of each candidate, in any order with the other.
        second: The other row.
        threshold: Smallest cosine, to 1e-6.

    Returns:
        The pairs, in the order of the candidates.
    """
    score = cosines(vectors, first, second)
    kept = np.flatnonzero(score >= threshold - ROUNDING)
    first, second = first.take(kept), second.take(kept)
    return Pairs(np.minimum(first, second), np.maximum(first, second), np.clip(score.take(kept), -1, 1))


def in_row_order(parts: list[Pairs]) -> Pairs:
    """Join parts into one, sorted by row."""
    found = concatenated(parts)
    order = np.lexsort((found.second, found.first))
    return Pairs(found.first[order], found.second[order], found.score[order])


def concatenated(parts: list[Pairs]) -> Pairs:
    """The pairs of all parts, one part after the other."""
    first = np.concatenate([np.empty(0, np.int32), *(part.first for part in parts)])
    second = np.concatenate([np.empty(0, np.int32), *(part.second for part in parts)])
    return Pairs(first, second, np.concatenate([np.empty(0, np.float32), *(part.score for part in parts)]))


_Candidates = Iterator[tuple[NDArray[np.int32], NDArray[np.int32], int]]


def _dense_candidates(vectors: NDArray[np.float32], bound: float, work: int, block: Blocks | None) -> _Candidates:
    """Candidates by brute force, tile by tile of the upper triangle of the product of all rows with all rows.

    Of the rows that come after a tile, only those up to the end of its last block are looked at.
    """
    n = len(vectors)
    ends = None if block is None else block_ends(block)
    side = max(1, int(work**0.5))
    for start in range(0, n, side):
        rows = vectors[start : start + side]
        n = len(vectors) if ends is None else int(ends[start + len(rows) - 1])
        for other in range(start, n, side):
            left, right = np.nonzero(rows @ vectors[other : min(other + side, n)].T >= bound)
            first, second = (left + start).astype(np.int32), (right + other).astype(np.int32)
            ahead = first < second
            yield first[ahead], second[ahead], len(rows) if other + side >= n else 0
