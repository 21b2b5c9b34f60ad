"""All pairs of vectors with a cosine at or above a threshold, in blocks, with bounded memory.

Sparse rows are joined exactly, however many they are, and dense ones up to `EXACT_ROWS`; more dense rows are joined by cells.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text._cell_join import cell_candidates
from dlcli.core.text.vectors.base import Matrix
from dlcli.support.errors import ResourceError

MAX_PAIRS = 20_000_000
"""More pairs than this are refused: they would be about 500 MB, and nobody means them."""

EXACT_ROWS = 50_000
"""Up to here all dense rows are multiplied with all; beyond, the square of their number costs more than cells do."""

_SLACK = 1e-5
"""What rounding in float32 may take from a bound; far above it for unit vectors of any length met here."""
_ROUNDING = 1e-6
_CHUNK = 1 << 16
_GROUPS = 64
"""On 100,000 questions 9 of 10 pairs that pass the first bound stop at the second; its lengths take 256 bytes a row."""


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
    work: int = 1 << 22,
    exact_rows: int = EXACT_ROWS,
    max_pairs: int = MAX_PAIRS,
    advance: Callable[[int], None] = lambda rows: None,
) -> Pairs:
    """Every pair of rows whose dot product is at least `threshold` (to 1e-6); rows have length 1 or 0.

    Of more dense rows than `exact_rows` some pairs may be missing: see `_cell_join`, and `recall_on_sample` for how many.
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
        return _sparse_candidates
    return _dense_candidates if vectors.shape[0] <= exact_rows else cell_candidates


def cosines(vectors: Matrix, first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.float32]:
    """The dot product of each pair of rows."""
    parts = [_dots(vectors[first[k : k + _CHUNK]], vectors[second[k : k + _CHUNK]]) for k in range(0, len(first), _CHUNK)]
    return np.concatenate([np.empty(0, np.float32), *parts])


def recall_on_sample(
    vectors: Matrix,
    pairs: Pairs,
    threshold: float,
    *,
    among: NDArray[np.int64] | None = None,
    sample: int = 500,
    seed: int = 0,
) -> tuple[int, int]:
    """How many of the pairs that brute force finds for a random sample of rows are among `pairs`, and how many it finds.

    The sample is of all rows, or of those `among` which it is to be drawn.
    """
    n = vectors.shape[0]
    rows = np.random.default_rng(seed).permutation(n if among is None else among)[:sample]
    against = vectors[rows].T
    against = against.toarray() if sp.issparse(against) else against
    truth: list[NDArray[np.int64]] = []
    for start in range(0, n, _CHUNK // 4):
        # Pairs at the threshold itself, to the last digit, are not evidence for either side.
        left, right = np.nonzero(vectors[start : start + _CHUNK // 4] @ against >= threshold + _ROUNDING)
        left, right = left + start, rows[right]
        left, right = np.minimum(left, right)[left != right], np.maximum(left, right)[left != right]
        truth.append(left.astype(np.int64) * n + right)
    wanted = np.unique(np.concatenate(truth)) if truth else np.empty(0, np.int64)
    return int(np.isin(wanted, pairs.first.astype(np.int64) * n + pairs.second).sum()), len(wanted)


def _dots(left: Matrix, right: Matrix) -> NDArray[np.float32]:
    if sp.issparse(left):
        return np.asarray(left.multiply(right).sum(axis=1), dtype=np.float32).ravel()
    return np.einsum("ij,ij->i", left, right)


def _confirmed(vectors: Matrix, first: NDArray[np.int32], second: NDArray[np.int32], threshold: float) -> Pairs:
    score = cosines(vectors, first, second)
    kept = score >= threshold - _ROUNDING
    first, second = first[kept], second[kept]
    return Pairs(np.minimum(first, second), np.maximum(first, second), np.clip(score[kept], -1, 1))


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


def _sparse_candidates(vectors: sp.csr_array, bound: float, work: int) -> _Candidates:
    """Pairs that share a rare feature and whose bound reaches the threshold.

    Features go from rare to common. The head of a row is its rarest features up to a cut behind which its rest is shorter
    than the threshold; two rows that share nothing before the lower of their cuts have a smaller product than that
    (prefix filter: Chaudhuri et al. 2006; Bayardo et al. 2007). Rows are taken in the order of their cuts: a block of
    them, up to its highest cut p, is multiplied with the rows not yet passed, up to p too. What is missing from
    that product is at most the product of the lengths of the two rests (Cauchy-Schwarz; Anastasiu and Karypis 2014).
    Pairs that pass are held to the same bound again, group by group of features, which is a short dense product.
    """
    lengths = _lengths_by_group(vectors)
    order, cuts, rows = _by_cut(vectors, bound)
    features = sp.csr_array(rows.T.tocsr())
    n, seen = rows.shape[0], 0
    rests = np.bincount(_row_of(rows), weights=np.square(rows.data, dtype=np.float64), minlength=n)
    for start, end in _blocks(rows, cuts, work):
        cut = int(cuts[end - 1])
        new = slice(features.indptr[seen], features.indptr[cut])
        rests -= np.bincount(features.indices[new], weights=np.square(features.data[new], dtype=np.float64), minlength=n)
        seen = cut
        product = sp.csr_array(rows[start:end, :cut] @ _heads(features, cut, start))
        rest = np.sqrt(np.maximum(rests[start:], 0)).astype(np.float32)
        left = _row_of(product)
        reach = product.data + rest[left] * rest[product.indices]
        kept = (reach >= bound) & (left < product.indices)
        first, second = order[left[kept] + start], order[product.indices[kept] + start]
        kept = cosines(lengths, first, second) >= bound
        yield first[kept], second[kept], end - start


def _lengths_by_group(vectors: sp.csr_array) -> NDArray[np.float32]:
    """The length of each row within each of `_GROUPS` groups of features, (n, groups)."""
    width = vectors.shape[1]
    squares = sp.csr_array((np.square(vectors.data), vectors.indices, vectors.indptr), shape=vectors.shape)
    parts = np.ones(width, np.float32), np.arange(width) % _GROUPS, np.arange(width + 1)
    return np.sqrt((squares @ sp.csr_array(parts, shape=(width, _GROUPS))).toarray())


def _row_of(matrix: sp.csr_array) -> NDArray[np.int32]:
    """The row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))


def _by_cut(vectors: sp.csr_array, bound: float) -> tuple[NDArray[np.int32], NDArray[np.int32], sp.csr_array]:
    """The rows in the order of their cuts, with columns from rare to common: (their old numbers, cuts, rows)."""
    n, width = vectors.shape
    rank = np.empty(width, np.int32)
    rank[np.argsort(np.bincount(vectors.indices, minlength=width), kind="stable")] = np.arange(width, dtype=np.int32)
    rows = sp.csr_array((vectors.data, rank[vectors.indices], vectors.indptr), shape=vectors.shape, copy=True)
    rows.sort_indices()
    sums = np.concatenate([[0.0], np.cumsum(np.square(rows.data, dtype=np.float64))])
    row_of = _row_of(rows)
    in_head = sums[rows.indptr[1:]][row_of] - sums[:-1] >= bound * bound
    cuts = np.zeros(n, np.int32)
    np.maximum.at(cuts, row_of[in_head], rows.indices[in_head] + 1)
    order = np.argsort(cuts, kind="stable").astype(np.int32)
    return order, cuts[order], sp.csr_array(rows[order])


def _blocks(rows: sp.csr_array, cuts: NDArray[np.int32], work: int) -> Iterator[tuple[int, int]]:
    """Cut the rows into ranges whose products take about `work` multiplications each, at least a row a range."""
    n, width = rows.shape
    ahead = np.bincount(rows.indices, minlength=width)
    start, size = 0, 1024
    while start < n:
        size = min(size * 2, n - start)
        while size > 1 and _cost(rows, cuts, ahead, start, start + size) > work:
            size //= 2
        yield start, start + size
        ahead -= np.bincount(rows.indices[rows.indptr[start] : rows.indptr[start + size]], minlength=width)
        start += size


def _cost(rows: sp.csr_array, cuts: NDArray[np.int32], ahead: NDArray[np.int64], start: int, end: int) -> int:
    columns = rows.indices[rows.indptr[start] : rows.indptr[end]]
    return int(ahead[columns[columns < cuts[end - 1]]].sum())


def _heads(features: sp.csr_array, cut: int, start: int) -> sp.csr_array:
    """Features before `cut` by rows from `start` on."""
    end = features.indptr[cut]
    kept = features.indices[:end] >= start
    ends = np.concatenate([[0], np.cumsum(kept)])[features.indptr[: cut + 1]]
    parts = features.data[:end][kept], features.indices[:end][kept] - np.int32(start), ends
    return sp.csr_array(parts, shape=(cut, features.shape[1] - start))
