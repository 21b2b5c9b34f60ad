"""All pairs of vectors with a cosine at or above a threshold, in blocks, with bounded memory.

Sparse rows are joined exactly, however many they are, and dense ones up to `EXACT_ROWS`; more dense rows are joined by cells.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.search.cell_join import cell_candidates
from dlcli.core.text.search.sparse_join import sparse_candidates
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.support.errors import ResourceError

MAX_PAIRS = 20_000_000
"""More pairs than this are refused: they would be about 500 MB, and nobody means them."""

EXACT_ROWS = 50_000
"""Up to here all dense rows are multiplied with all; beyond, the square of their number costs more than cells do."""

_SLACK = 1e-5
"""What rounding in float32 may take from a bound; far above it for unit vectors of any length met here."""
_ROUNDING = 1e-6
_CHUNK = 1 << 16
_COMPARED = 50_000_000
"""Products of a row with a row that the measuring of recall may take; 500 rows with 500,000 took 3 CPU seconds."""


@dataclass(frozen=True)
class Pairs:
    """Rows `first[k] < second[k]` with their cosine `score[k]`, in the order of the rows."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)


def similar_pairs(
    vectors: Matrix,
    threshold: float,
    *,
    work: int = 1 << 19,
    exact_rows: int = EXACT_ROWS,
    max_pairs: int = MAX_PAIRS,
    advance: Callable[[int], None] = lambda rows: None,
) -> Pairs:
    """Every pair of rows whose dot product is at least `threshold` (to 1e-6); rows have length 1 or 0.

    Of more dense rows than `exact_rows` some pairs may be missing: see `_cell_join`, and `sampled_recall` for how many.
    `work` bounds the multiplications of a block, and with them its memory (about 50 bytes each); it does not change the
    result. `advance` is told how many rows are done. `threshold` is in (0, 1]; ValueError if not. Raises ResourceError if
    there are more than `max_pairs`.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold} is not in (0, 1]")
    candidates = _method(vectors, exact_rows)
    found: list[Pairs] = []
    count = 0
    for first, second, rows in candidates(vectors, threshold - _SLACK, work):
        found.append(_confirmed(vectors, first, second, threshold))
        count += len(found[-1])
        if count > max_pairs:
            raise ResourceError(
                f"more than {max_pairs:,} pairs have a cosine of {threshold:g} or more", hint="raise --candidates"
            )
        advance(rows)
    return _in_row_order(found)


def _method(vectors: Matrix, exact_rows: int) -> Callable[[Matrix, float, int], "_Candidates"]:
    if sp.issparse(vectors):
        return sparse_candidates
    return _dense_candidates if vectors.shape[0] <= exact_rows else cell_candidates


def cosines(vectors: Matrix, first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.float32]:
    """The dot product of each pair of rows."""
    parts = [_dots(vectors[first[k : k + _CHUNK]], vectors[second[k : k + _CHUNK]]) for k in range(0, len(first), _CHUNK)]
    return np.concatenate([np.empty(0, np.float32), *parts])


def sampled_recall(
    vectors: Matrix,
    pairs: Pairs,
    threshold: float,
    *,
    among: NDArray[np.int64] | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> tuple[int, int]:
    """How many of the pairs that brute force finds for a random sample of rows are among `pairs`, and how many it finds.

    The sample is of all rows, or of those `among` which it is to be drawn: 500, or as many as are `_COMPARED` products with all
    rows, but not fewer than 100, if `sample` does not say.
    """
    n = vectors.shape[0]
    sample = min(500, max(100, _COMPARED // max(1, n))) if sample is None else sample
    rows = np.random.default_rng(seed).permutation(n if among is None else among)[:sample]
    against = vectors[rows].T
    against = against.toarray(order="C") if sp.issparse(against) else against
    truth: list[NDArray[np.int64]] = []
    for start in range(0, n, _CHUNK // 4):
        # Pairs at the threshold itself, to the last digit, are not evidence for either side.
        left, right = np.nonzero(vectors[start : start + _CHUNK // 4] @ against >= threshold + _ROUNDING)
        left, right = left + start, rows[right]
        left, right = np.minimum(left, right)[left != right], np.maximum(left, right)[left != right]
        truth.append(left.astype(np.int64) * n + right)
    wanted = np.unique(np.concatenate(truth)) if truth else np.empty(0, np.int64)
    found = pairs.first.astype(np.int64) * n + pairs.second  # in order
    return int((np.append(found, -1)[np.searchsorted(found, wanted)] == wanted).sum()), len(wanted)


def _dots(left: Matrix, right: Matrix) -> NDArray[np.float32]:
    if sp.issparse(left):
        return np.asarray(left.multiply(right).sum(axis=1), dtype=np.float32).ravel()
    return np.einsum("ij,ij->i", left, right)


def _confirmed(vectors: Matrix, first: NDArray[np.int32], second: NDArray[np.int32], threshold: float) -> Pairs:
    score = cosines(vectors, first, second)
    kept = np.flatnonzero(score >= threshold - _ROUNDING)
    first, second = first.take(kept), second.take(kept)
    return Pairs(np.minimum(first, second), np.maximum(first, second), np.clip(score.take(kept), -1, 1))


def _in_row_order(parts: list[Pairs]) -> Pairs:
    first = np.concatenate([np.empty(0, np.int32), *(part.first for part in parts)])
    second = np.concatenate([np.empty(0, np.int32), *(part.second for part in parts)])
    score = np.concatenate([np.empty(0, np.float32), *(part.score for part in parts)])
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], score[order])


_Candidates = Iterator[tuple[NDArray[np.int32], NDArray[np.int32], int]]


def _dense_candidates(vectors: NDArray[np.float32], bound: float, work: int) -> _Candidates:
    """Tiles of the upper triangle of the product of all rows with all rows."""
    n = len(vectors)
    side = max(1, int(work**0.5))
    for start in range(0, n, side):
        rows = vectors[start : start + side]
        for other in range(start, n, side):
            left, right = np.nonzero(rows @ vectors[other : other + side].T >= bound)
            first, second = (left + start).astype(np.int32), (right + other).astype(np.int32)
            ahead = first < second
            yield first[ahead], second[ahead], len(rows) if other + side >= n else 0
