"""All pairs of sparse rows whose dot product is at least a bound, exactly, by bounding what two rows can share.

Most pairs of texts share only common words. The join finds the others without computing the full product, in three steps, each
cheaper per pair and looser than the next: heads of rows, heads plus what may follow, groups of features. A pair is dropped only
where an upper bound of its product is below the bound, so no pair is lost.

The bound. Every feature f has a weight w(f), here its IDF. The scale of a row is the largest ratio of its entries to their
weights, so each entry is at most scale x w(f). The mass of a row in some features is the sum of entry x w(f) there. The product
of rows x and y in these features is a sum of x(f) y(f) <= x(f) scale(y) w(f), which is at most mass(x) x scale(y), and
likewise mass(y) x scale(x) (Bayardo et al. 2007, "Scaling up all pairs similarity search"). With TF-IDF rows it is about the
product that would result if the heavier row had all features of the other, which is why IDF is the choice of weights.

The order. Features go from rare to common, so that the short head of a row has the features few others have, and the long tail
those that everything shares but that contribute little. Rows go by descending scale, in tiles: the tail of a row can be
bounded more tightly against rows of small scale, so one tile needs shorter and shorter heads the further on it is joined, and
as soon as it needs none, all later tiles can be skipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.on_disk import release, rows_of
from dlcli.core.text.products import product
from dlcli.core.text.ragged import sparse_rows
from dlcli.core.text.vectors.weighting import inverse_document_frequency
from dlcli.support.seeds import derive

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]

_DEPTH = 0.93
"""A head ends where less than this share of the bound can follow. A larger share passes more pairs, a smaller one makes heads
longer."""
_TILES = 10
_TILE = (1 << 8, 1 << 14)
_GROUPS, _FINE_GROUPS, _FINE_BELOW = 32, 128, 0.6
"""Feature groups of the last bound, and how many for a bound below 0.6. Of 100,000 questions, from 0.75 on, 32 groups drop 9 of
10 pairs that pass the heads, in 128 bytes per row. In smaller tables the bound is lower and far more pairs pass, whose cosines
cost more than groups do: of 10,000 questions, from 0.47 on, 128 groups leave a thirteenth of what 32 leave."""
_CHUNK = 1 << 12
_SAMPLED = 1 << 11
"""Rows from which the work is estimated."""


def sparse_candidates(vectors: sp.csr_array, bound: float, work: int) -> Iterator[tuple[Numbers, Numbers, int]]:
    """Find candidates: each pair at most once, among them all pairs whose product is at least `bound`.

    The head of a row ends where what follows cannot reach the bound, so rows that share no feature in their heads cannot be a
    pair (prefix filter: Chaudhuri et al. 2006). Pairs for which the product of heads plus the most that can follow reaches the
    bound are checked once more, group by group of features.

    Yields the two rows of each candidate of a block, and how many rows are finished with it. Rows have L2 norm 1 or 0; a block
    takes about `work` multiplications.
    """
    order = OrderedRows(vectors, bound)
    rows = order.bounds_of(vectors, order.order)
    none = np.empty(0, np.int32)
    tiles = row_tiles(len(order.order), order.tile)
    for number, tile in enumerate(tiles):
        for first, second in bounded_pairs(rows, tile, rows, tiles[number:], bound, work):
            yield order.order.take(first), order.order.take(second), 0
        yield none, none, tile.stop - tile.start


class OrderedRows:
    """The rows of a matrix in the order of the join, to be taken in parts.

    Attributes:
        order: Row numbers by descending scale, (n,).
        tile: Rows that are joined at a time.
    """

    def __init__(self, vectors: sp.csr_array, bound: float) -> None:
        self._bound = bound
        self._scale, self._weights = _scales(vectors)
        self._groups = _feature_groups(self._weights, group_count(bound))
        self.order = np.argsort(-self._scale, kind="stable").astype(np.int32)
        self.tile = int(np.clip(len(self.order) // _TILES, *_TILE))

    def work(self, vectors: sp.csr_array, at_a_time: int) -> "JoinWork":
        """About how much work the join is, from a sample of rows.

        Args:
            vectors: All rows.
            at_a_time: About how many multiplications a block takes.

        Returns:
            The work.
        """
        n = len(self.order)
        picked = np.sort(np.random.default_rng(derive(0, "work")).permutation(n)[:_SAMPLED])
        some = np.sort(self.order[picked])
        places = np.searchsorted(some, self.order[picked]).astype(np.int32)
        rows, tiles = (
            self.bounds_of(rows_of(vectors, some), places, picked),
            row_tiles(len(picked), max(1, len(picked) // _TILES)),
        )
        products = candidates = 0.0
        for number, tile in enumerate(tiles):
            for other in tiles[number:]:
                products += _products(rows.heads, tile, other)
            found = bounded_pairs(rows, tile, rows, tiles[number:], self._bound, at_a_time)
            candidates += sum(len(first) for first, _ in found)
        times = n * (n - 1) / max(1, len(picked) * (len(picked) - 1))
        return JoinWork(products * times, candidates * times)

    def bounds_of(self, vectors: sp.csr_array, places: Numbers, part: slice | NDArray[np.integer] = slice(None)) -> "RowBounds":
        """What the join needs of the rows `order[part]`, in that order.

        Args:
            vectors: Rows, these among them.
            places: Where these are in `vectors`.
            part: Which rows are meant.

        Returns:
            Their bounds.
        """
        scale = self._scale[self.order[part]]
        chunks = [slice(start, start + _CHUNK) for start in range(0, max(1, len(places)), _CHUNK)]
        masses = [_mass_by_group(vectors[places[some]], self._groups, scale[some]) for some in chunks]
        heads = _heads(vectors, self._weights, scale, places, rest_after_heads(self._bound))
        return RowBounds(heads, np.concatenate(masses))


class JoinWork(NamedTuple):
    """The work of a join: multiplications of entries of heads, and candidates, whose cosines are computed."""

    products: float
    candidates: float


@dataclass(frozen=True)
class RowBounds:
    """What bounds the products of rows in descending order of scale: their heads, and their mass by group, (n, groups)."""

    heads: "Heads"
    masses: Floats


def bounded_pairs(
    left: RowBounds, tile: slice, right: RowBounds, others: list[slice], bound: float, work: int
) -> Iterator[tuple[Numbers, Numbers]]:
    """Find candidates of a row of one tile and one of others.

    Args:
        left: Rows.
        tile: The tile of them.
        right: The same rows, or others that come after them.
        others: Tiles of these, in order, none before `tile` if the rows are the same.
        bound: Smallest product.
        work: Multiplications per block.

    Yields:
        The place in `left` and in `right` of each candidate; of a pair of the same rows the lower place first.
    """
    for first, second in _head_pairs(left.heads, tile, right.heads, others, bound, work):
        near = np.flatnonzero(_most_in_common(left, right, first, second) >= bound)
        yield first.take(near), second.take(near)


def rest_after_heads(bound: float) -> float:
    """Heads end where less than this can follow in any product."""
    return bound * _DEPTH


def group_count(bound: float) -> int:
    """How many groups of features a row has a mass of."""
    return _FINE_GROUPS if bound < _FINE_BELOW else _GROUPS


def row_tiles(rows: int, size: int) -> list[slice]:
    """Cut rows into tiles of `size`, the last of which may have fewer."""
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _scales(vectors: sp.csr_array) -> tuple[Floats, Floats]:
    """The scale of each row, 0 if it is empty, and the weight of each feature."""
    weights = inverse_document_frequency(vectors).astype(np.float32)
    scale = np.zeros(vectors.shape[0], np.float32)
    for start in range(0, len(scale), _CHUNK):
        ends = vectors.indptr[start : start + _CHUNK + 1]
        block, filled = slice(ends[0], ends[-1]), np.flatnonzero(np.diff(ends))
        ratios = np.abs(vectors.data[block]) / weights.take(vectors.indices[block])
        scale[start + filled] = np.maximum.reduceat(ratios, ends[filled] - ends[0]) if len(filled) else 0
        release(vectors)
    return scale, weights


def _feature_groups(weights: Floats, groups: int) -> sp.csr_array:
    """Which group each feature is in, with its weight, (features, groups)."""
    width = len(weights)
    return sp.csr_array((weights, np.arange(width) % groups, np.arange(width + 1)), shape=(width, groups))


def _mass_by_group(rows: sp.csr_array, groups: sp.csr_array, scale: Floats) -> Floats:
    """The mass of each row in each group of features, over its scale, (n, groups)."""
    return np.asarray((abs(rows) @ groups).toarray() / np.where(scale > 0, scale, 1)[:, None], np.float32)


def _most_in_common(left: RowBounds, right: RowBounds, first: Numbers, second: Numbers) -> Floats:
    """An upper bound of the product of each pair of rows.

    Within one group of features the product is at most the smaller of both masses times the other's scale; masses are stored
    over their own scale, so one minimum serves both directions, and the bounds of the groups add up.
    """
    ones = np.ones(left.masses.shape[1], np.float32)
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(first), _CHUNK):
        a, b = first[start : start + _CHUNK], second[start : start + _CHUNK]
        shared = np.minimum(left.masses.take(a, axis=0), right.masses.take(b, axis=0)) @ ones
        parts.append(shared * left.heads.scale.take(a) * right.heads.scale.take(b))
    return np.concatenate(parts)


@dataclass(frozen=True)
class Heads:
    """Rows in descending order of `scale` (n,), features from rare to common, each row cut after its longest head.

    `mass` and `behind` (entries,) are the mass of a row from an entry on and after it. After a head, less than `rest` can
    follow in any product.
    """

    rows: sp.csr_array
    scale: Floats
    mass: Floats
    behind: Floats
    rest: float

    def of(self, tile: slice, scale: float) -> tuple[sp.csr_array, Floats]:
        """Take the heads of a tile.

        Args:
            tile: The rows.
            scale: The largest scale of the rows with which they are joined.

        Returns:
            The heads, and the mass of each row behind its head. A row without a head is in no product, so its mass is not
            used; it is that of another row.
        """
        start, stop = self.rows.indptr[tile.start], self.rows.indptr[tile.stop]
        kept = np.flatnonzero(self.mass[start:stop] * scale >= self.rest) + start
        ends = np.searchsorted(kept, self.rows.indptr[tile.start : tile.stop + 1])
        head = sparse_rows(self.rows.data.take(kept), self.rows.indices.take(kept), ends, self.rows.shape[1])
        return head, np.append(self.behind.take(kept), 0).take(ends[1:] - 1)


def _heads(vectors: sp.csr_array, weights: Floats, scale: Floats, order: Numbers, rest: float) -> Heads:
    by_rarity = np.argsort(-weights, kind="stable")
    rank = np.empty(len(weights), np.int32)
    rank[by_rarity] = np.arange(len(weights), dtype=np.int32)
    parts = []
    for start in range(0, max(1, len(order)), _CHUNK):
        rows = vectors[order[start : start + _CHUNK]]
        rows = sp.csr_array((rows.data, rank[rows.indices], rows.indptr), shape=rows.shape)
        rows.sort_indices()
        parts.append(_entries(rows, weights[by_rarity], scale[start : start + _CHUNK], rest))
    data, indices, mass, behind, lengths = (np.concatenate(part) for part in zip(*parts, strict=True))
    rows = sparse_rows(data, indices, np.concatenate([[0], np.cumsum(lengths)]), vectors.shape[1])
    return Heads(rows, scale, mass, behind, rest)


def _entries(
    rows: sp.csr_array, weights: Floats, scale: Floats, rest: float
) -> tuple[Floats, Numbers, Floats, Floats, Numbers]:
    """Value, feature, mass from there on and mass after it of each entry of any head; and the number of entries per row."""
    per_row = np.diff(rows.indptr)
    own = np.abs(rows.data) * weights.take(rows.indices)
    sums = np.concatenate([[0.0], np.cumsum(own, dtype=np.float64)])
    mass = np.repeat(sums[rows.indptr[1:]], per_row) - sums[:-1]
    # Against any unit row, what follows is at most the norm of the tail (Cauchy-Schwarz), whose square is at most mass x scale.
    kept = np.flatnonzero(mass * np.repeat(scale, per_row) >= rest * rest)
    lengths = np.diff(np.searchsorted(kept, rows.indptr))
    mass = mass.take(kept)
    behind = mass - own.take(kept)
    return rows.data.take(kept), rows.indices.take(kept), mass.astype(np.float32), behind.astype(np.float32), lengths


def _head_pairs(
    left: Heads, tile: slice, right: Heads, others: list[slice], bound: float, work: int
) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of a row of the tile and one of the others whose product of heads plus what can follow reaches the bound."""
    for other in others:
        head, behind_left = left.of(tile, right.scale[other.start])
        if not head.nnz:  # nor against any later tile, where scales are lower still
            return
        other_head, behind_right = right.of(other, left.scale[tile.start])
        across, scale_left, scale_right = sp.csr_array(other_head.T), left.scale[tile], right.scale[other]
        for start, stop in _blocks(head, across, work):
            products = product(head[start:stop], across)
            found = np.flatnonzero(products.data >= bound - left.rest)
            in_row = np.diff(np.searchsorted(found, products.indptr))
            second = products.indices.take(found).astype(np.intp)  # which `take` would make of it each time
            # The product of heads lacks the features after the shorter head. They add at most the mass behind that head times
            # the other row's scale; which head is shorter is not known here, so the larger of both bounds is safe.
            follows = np.repeat(behind_left[start:stop], in_row) * scale_right.take(second)
            np.maximum(follows, np.repeat(scale_left[start:stop], in_row) * behind_right.take(second), out=follows)
            reach = products.data.take(found) + np.minimum(follows, left.rest) >= bound
            first = np.repeat(np.arange(start, stop, dtype=np.int32), in_row)
            kept = np.flatnonzero(reach & (first < second) if left is right and tile == other else reach)
            yield first.take(kept) + tile.start, (second.take(kept) + other.start).astype(np.int32)


def _products(heads: Heads, tile: slice, other: slice) -> float:
    """The multiplications of a tile with another, or with itself, where a row and itself do not count."""
    width, same = heads.rows.shape[1], other == tile
    mine, others = (
        np.bincount(heads.of(part, heads.scale[against.start])[0].indices, minlength=width).astype(np.float64)
        for part, against in ((tile, other), (other, tile))
    )
    return float(mine @ (others - 1 if same else others))


def _blocks(left: sp.csr_array, across: sp.csr_array, work: int) -> Iterator[tuple[int, int]]:
    """Split the rows into ranges whose products take about `work` multiplications each, at least one row per range."""
    cost = np.concatenate([[0], np.cumsum(np.diff(across.indptr)[left.indices], dtype=np.int64)])[left.indptr]
    start = 0
    while start < left.shape[0]:
        stop = max(start + 1, int(np.searchsorted(cost, cost[start] + work, side="right")) - 1)
        yield start, stop
        start = stop
