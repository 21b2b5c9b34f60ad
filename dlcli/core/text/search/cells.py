"""The exact join cut into cells: rows are cut into blocks, and each pair of blocks is joined on its own.

A cell needs nothing but its two blocks, so cells can be joined in several processes, in any order, and again after an
interruption, with memory for two blocks each. Every pair is confirmed alone, so the pairs and their cosines are the same, bit
for bit, whatever the number of blocks.

Blocks are files in a folder, which processes map into memory and therefore share.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.on_disk import ArrayOfParts, mapped_array, release
from dlcli.core.text.search.blocks import Blocks, pairs_within, searched
from dlcli.core.text.search.neighbours import CPU_WORK, ROUNDING, SLACK, SPARSE_WORK, Pairs, cosines, in_row_order
from dlcli.core.text.search.sparse_join import (
    Heads,
    OrderedRows,
    RowBounds,
    bounded_pairs,
    group_count,
    rest_after_heads,
    row_tiles,
)
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.support.errors import ResourceError

Numbers = NDArray[np.int32]

_ROW_BYTES, _MASS_BYTES = 40, 4
"""Bytes of a sparse row beside its entries, as its number and its scale, and of its mass in a group of features."""
_ENTRY_BYTES = 12
"""Bytes of an entry of a sparse row, with its share of the entries in heads."""

_PRODUCT_S, _CANDIDATE_S, _DENSE_S = 1.6e-8, 9e-7, 3e-11
"""CPU seconds of a multiplication of entries of heads, of the cosine of a candidate, and of a multiplication of dense rows."""
_ROWS = 1 << 14
"""Rows that are moved to their blocks at a time."""


class RowBlock(Protocol):
    """Rows of a matrix, `vectors` (n, d), and the numbers that they have in it, `numbers` (n,)."""

    @property
    def numbers(self) -> Numbers:
        """Numbers of the rows."""

    @property
    def vectors(self) -> Matrix:
        """The rows."""

    def candidates(self, other: Any, bound: float) -> Iterator[tuple[Numbers, Numbers]]:
        """The places of pairs of a row here and one of `other`, a later block or this one, with a product of `bound` or more.

        More pairs may be among them. Of a pair of one block only one order is given.
        """


@dataclass(frozen=True)
class SparseBlock:
    """Sparse rows in the order of the join, which is by descending scale; `tile` rows are joined at a time."""

    numbers: Numbers
    vectors: sp.csr_array
    bounds: RowBounds
    tile: int

    def candidates(self, other: "SparseBlock", bound: float) -> Iterator[tuple[Numbers, Numbers]]:
        """See `RowBlock`."""
        tiles, others = (row_tiles(len(block.numbers), block.tile) for block in (self, other))
        for number, tile in enumerate(tiles):
            later = others[number:] if other is self else others
            yield from bounded_pairs(self.bounds, tile, other.bounds, later, bound, SPARSE_WORK)


@dataclass(frozen=True)
class DenseBlock:
    """Dense rows in the order of the matrix, and the `block` (n,) of each within which pairs count, all 0 if all pairs do."""

    numbers: Numbers
    vectors: NDArray[np.float32]
    block: Blocks

    def candidates(self, other: "DenseBlock", bound: float) -> Iterator[tuple[Numbers, Numbers]]:
        """See `RowBlock`."""
        side = int(CPU_WORK**0.5)
        for tile in row_tiles(len(self.numbers), side):
            for start in range(tile.start if other is self else 0, len(other.numbers), side):
                if other.block[start] > self.block[tile.stop - 1]:  # and so have all later rows
                    break
                left, right = np.nonzero(self.vectors[tile] @ other.vectors[start : start + side].T >= bound)
                first, second = (left + tile.start).astype(np.int32), (right + start).astype(np.int32)
                kept = self.block[first] == other.block[second]
                kept &= first < second if other is self else True
                yield first[kept], second[kept]


def matrix_bytes(vectors: Matrix, threshold: float) -> int:
    """About how many bytes the blocks of a matrix take, whose pairs have a cosine of `threshold` or more."""
    if sp.issparse(vectors):
        return int(vectors.nnz) * _ENTRY_BYTES + int(vectors.shape[0]) * _row_bytes(threshold)
    return int(vectors.nbytes)


def _row_bytes(threshold: float) -> int:
    return _ROW_BYTES + _MASS_BYTES * group_count(threshold - SLACK)


def join_seconds(vectors: Matrix, threshold: float, *, block: Blocks | None = None) -> float:
    """About how many CPU seconds the join of a matrix takes, without what its pairs cost later.

    Args:
        vectors: Rows with L2 norm 1 or 0, sparse or dense, (n, d).
        threshold: Smallest cosine of a pair, in (0, 1].
        block: The block of each row, ascending, (n,), within which pairs count. None counts all.
    """
    if not sp.issparse(vectors):
        return float(_DENSE_S * pairs_within(len(vectors), block) * vectors.shape[1])
    among = searched(vectors, block)
    products, candidates = OrderedRows(among, threshold - SLACK).work(among, SPARSE_WORK)
    return _PRODUCT_S * products + _CANDIDATE_S * candidates


def write_blocks(folder: Path, vectors: Matrix, threshold: float, count: int, *, block: Blocks | None = None) -> int:
    """Cut the rows of a matrix into blocks of about equal bytes, and write each to files in a folder.

    Args:
        folder: An existing folder.
        vectors: Rows with L2 norm 1 or 0, sparse or dense, (n, d).
        threshold: Smallest cosine of a pair, in (0, 1].
        count: Number of blocks.
        block: The block of each row, ascending, (n,), within which pairs count. None counts all.

    Returns:
        The number of blocks, which is smaller if there are fewer rows.
    """
    if not sp.issparse(vectors):
        of_row = np.zeros(len(vectors), np.int64) if block is None else block
        parts = _equal_parts(np.ones(len(vectors)), count)
        for number, part in enumerate(parts):
            numbers = np.arange(part.start, part.stop, dtype=np.int32)
            _save(folder, number, {"numbers": numbers, "vectors": vectors[part], "block": of_row[part]})
        return len(parts)
    among = searched(vectors, block)
    rows = OrderedRows(among, threshold - SLACK)
    parts = _equal_parts(np.diff(vectors.indptr)[rows.order] * _ENTRY_BYTES + _row_bytes(threshold), count)
    mine = cut_rows(vectors, rows.order, parts)
    theirs = mine if among is vectors else cut_rows(among, rows.order, parts)
    for number, part in enumerate(parts):
        found = next(mine)
        _save(folder, number, _sparse_arrays(rows, found, found if theirs is mine else next(theirs), part))
    return len(parts)


def cut_rows(vectors: sp.csr_array, order: Numbers, parts: list[slice]) -> Iterator[sp.csr_array]:
    """The rows `order[part]` of a matrix for each part, which are read once from the first to the last, not here and there."""
    of_row = np.empty(len(order), np.int32)
    for number, part in enumerate(parts):
        of_row[order[part]] = number
    lengths = np.diff(vectors.indptr)
    ends = np.concatenate([[0], np.cumsum(np.bincount(of_row, weights=lengths, minlength=len(parts)).astype(np.int64))])
    data, indices = (ArrayOfParts(array.dtype, ends) for array in (vectors.data, vectors.indices))
    for start in range(0, len(order) if parts else 0, _ROWS):
        some = np.argsort(of_row[start : start + _ROWS], kind="stable")
        rows = vectors[start : start + _ROWS][some]
        stops = rows.indptr[np.searchsorted(of_row[start + some], np.arange(len(parts) + 1))]
        data.append(rows.data, stops)
        indices.append(rows.indices, stops)
        release(vectors)
    place = np.empty(len(order), np.int32)
    for number, part in enumerate(parts):
        members = np.sort(order[part])
        place[members] = np.arange(len(members))
        within = np.concatenate([[0], np.cumsum(lengths[members])]).astype(vectors.indptr.dtype)
        shape = (len(members), vectors.shape[1])
        yield sp.csr_array((data.part(number), indices.part(number), within), shape=shape)[place[order[part]]]


def _equal_parts(cost: NDArray[Any], count: int) -> list[slice]:
    """Cut rows into at most `count` parts of about equal cost."""
    ends = np.cumsum(cost)
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count) if len(ends) else []
    bounds = np.unique([0, *cuts, len(ends)]).tolist()
    return [slice(start, stop) for start, stop in zip(bounds, bounds[1:], strict=False)]


def _sparse_arrays(rows: OrderedRows, mine: sp.csr_array, among: sp.csr_array, part: slice) -> dict[str, NDArray[Any]]:
    numbers = rows.order[part]
    bounds = rows.bounds_of(among, np.arange(len(numbers), dtype=np.int32), part)
    heads = bounds.heads
    return {
        "numbers": numbers,
        "masses": bounds.masses,
        "scale": heads.scale,
        "mass": heads.mass,
        "behind": heads.behind,
        **{f"head_{name}": getattr(heads.rows, name) for name in ("data", "indices", "indptr")},
        **{f"row_{name}": getattr(mine, name) for name in ("data", "indices", "indptr")},
        "shape": np.array([rows.tile, heads.rows.shape[1], mine.shape[1]], np.int64),
    }


def _save(folder: Path, number: int, arrays: dict[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{number}.{name}.npy", array)


class BlockFolder:
    """The blocks that `write_blocks` wrote; the two that were read last are kept open."""

    def __init__(self, folder: Path, threshold: float) -> None:
        self._folder, self._threshold = folder, threshold
        self._open: dict[int, RowBlock] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockFolder, (self._folder, self._threshold)

    @property
    def threshold(self) -> float:
        """Smallest cosine of a pair."""
        return self._threshold

    def join(self, first: int, second: int) -> Pairs:
        """The pairs of a row of one block and a row of another, or of one and the same, as `similar_pairs` finds them.

        Args:
            first: Number of a block.
            second: Number of the same block or a later one.

        Returns:
            The pairs.

        Raises:
            ResourceError: If the files of a block cannot be read.
        """
        left = self._block(first)
        right = left if first == second else self._block(second)
        found = []
        for a, b in left.candidates(right, self._threshold - SLACK):
            score = cosines(left.vectors, a, b, right.vectors)
            kept = np.flatnonzero(score >= self._threshold - ROUNDING)
            one, other = left.numbers.take(a.take(kept)), right.numbers.take(b.take(kept))
            found.append(Pairs(np.minimum(one, other), np.maximum(one, other), np.clip(score.take(kept), -1, 1)))
        return in_row_order(found)

    def _block(self, number: int) -> RowBlock:
        if number not in self._open:
            for other in list(self._open)[:-1]:
                del self._open[other]
            self._open[number] = self._read(number)
        return self._open[number]

    def _read(self, number: int) -> RowBlock:
        if not (self._folder / f"{number}.row_data.npy").exists() and (self._folder / f"{number}.vectors.npy").exists():
            return DenseBlock(*(self._array(number, name) for name in ("numbers", "vectors", "block")))
        tile, head_width, width = self._array(number, "shape").tolist()
        head, row = (self._matrix(number, name, size) for name, size in (("head", head_width), ("row", width)))
        scale, mass, behind, masses = (self._array(number, name) for name in ("scale", "mass", "behind", "masses"))
        bounds = RowBounds(Heads(head, scale, mass, behind, rest_after_heads(self._threshold - SLACK)), masses)
        return SparseBlock(self._array(number, "numbers"), row, bounds, tile)

    def _matrix(self, number: int, name: str, width: int) -> sp.csr_array:
        data, indices, ends = (self._array(number, f"{name}_{part}") for part in ("data", "indices", "indptr"))
        return sp.csr_array((data, indices, ends), shape=(len(ends) - 1, width), copy=False)

    def _array(self, number: int, name: str) -> NDArray[Any]:
        path = self._folder / f"{number}.{name}.npy"
        try:
            return mapped_array(path)
        except (OSError, ValueError) as error:
            raise ResourceError(
                f"{path}: cannot be read: {error}", hint="keep the folder until the run ends, where every process can read it"
            ) from None
