"""All pairs of many sparse rows whose product is at least a bound, exactly, from what two rows can have in common at most.

Every feature has a weight; the scale of a row is the most that an entry is of its feature's weight, and its mass in some
features is the sum of its entries there times their weights. Two rows' product in these features is at most the mass of one
times the scale of the other (Bayardo et al. 2007, "Scaling up all pairs similarity search"). The weights are rarities: with
TF-IDF that is about what the product would be if the row with more had there all that the other has.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.ragged import sparse_rows
from dlcli.core.text.vectors.weighting import inverse_document_frequency

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]

_DEPTH = 0.93
"""A head ends where less than this share of the bound can follow: with more, more pairs pass; with less, heads are longer."""
_TILES = 10
_TILE = (1 << 8, 1 << 14)
_GROUPS = 32
"""On 100,000 questions 9 of 10 pairs whose heads are alike stop at this bound; its masses take 128 bytes a row."""
_CHUNK = 1 << 12


def sparse_candidates(vectors: sp.csr_array, bound: float, work: int) -> Iterator[tuple[Numbers, Numbers, int]]:
    """Pairs, each once, among them all whose product is at least `bound`, and the number of rows done with each block.

    Rows have length 1 or 0; a block has about `work` multiplications. Features go from rare to common. The head of a row
    ends where what follows cannot reach the bound, so that rows that share nothing in their heads have a smaller product
    (prefix filter: Chaudhuri et al. 2006). It is the shorter the more the scales of two rows differ: rows go by scale, in
    tiles, and the heads of each tile are multiplied with those of each other. Pairs for which that product and the most
    that can follow reach the bound are held to it again, group by group of features.
    """
    scale, weights = _scales(vectors)
    order = np.argsort(-scale, kind="stable").astype(np.int32)
    masses = _mass_by_group(vectors, weights, scale)[order]
    heads = _heads(vectors, weights, scale, order, bound * _DEPTH)
    nobody = np.empty(0, np.int32)
    tiles = _tiles(len(order))
    for number, tile in enumerate(tiles):
        for first, second in _met(heads, tile, tiles[number:], bound, work):
            near = np.flatnonzero(_in_common(masses, heads.scale, first, second) >= bound)
            yield order.take(first.take(near)), order.take(second.take(near)), 0
        yield nobody, nobody, tile.stop - tile.start


def _tiles(rows: int) -> list[slice]:
    size = int(np.clip(rows // _TILES, *_TILE))
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
    return scale, weights


def _mass_by_group(vectors: sp.csr_array, weights: Floats, scale: Floats) -> Floats:
    """The mass of each row in each of `_GROUPS` groups of features, over its scale, (n, groups)."""
    width = vectors.shape[1]
    groups = sp.csr_array((weights, np.arange(width) % _GROUPS, np.arange(width + 1)), shape=(width, _GROUPS))
    masses = np.zeros((vectors.shape[0], _GROUPS), np.float32)
    for start in range(0, len(masses), _CHUNK):
        masses[start : start + _CHUNK] = (abs(vectors[start : start + _CHUNK]) @ groups).toarray()
    masses /= np.where(scale > 0, scale, 1)[:, None]
    return masses


def _in_common(masses: Floats, scale: Floats, first: Numbers, second: Numbers) -> Floats:
    """The most that the product of each pair of rows can be."""
    ones = np.ones(_GROUPS, np.float32)
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(first), _CHUNK):
        a, b = first[start : start + _CHUNK], second[start : start + _CHUNK]
        parts.append(np.minimum(masses.take(a, axis=0), masses.take(b, axis=0)) @ ones * scale.take(a) * scale.take(b))
    return np.concatenate(parts)


@dataclass(frozen=True)
class _Heads:
    """Rows in descending order of `scale` (n,), features from rare to common, each row as far as any head of it goes.

    `mass` and `behind` (entries,) are the mass of a row from an entry on, and behind it. After a head less than `rest` can
    follow in any product.
    """

    rows: sp.csr_array
    scale: Floats
    mass: Floats
    behind: Floats
    rest: float

    def of(self, tile: slice, scale: float) -> tuple[sp.csr_array, Floats]:
        """The heads of a tile for where it meets rows of at most this scale, and the mass of each row behind its head.

        A row without a head, which is in no product, has the mass of another.
        """
        start, stop = self.rows.indptr[tile.start], self.rows.indptr[tile.stop]
        kept = np.flatnonzero(self.mass[start:stop] * scale >= self.rest) + start
        ends = np.searchsorted(kept, self.rows.indptr[tile.start : tile.stop + 1])
        head = sparse_rows(self.rows.data.take(kept), self.rows.indices.take(kept), ends, self.rows.shape[1])
        return head, np.append(self.behind.take(kept), 0).take(ends[1:] - 1)


def _heads(vectors: sp.csr_array, weights: Floats, scale: Floats, order: Numbers, rest: float) -> _Heads:
    by_rarity = np.argsort(-weights, kind="stable")
    rank = np.empty(len(weights), np.int32)
    rank[by_rarity] = np.arange(len(weights), dtype=np.int32)
    scale = scale[order]
    parts = []
    for start in range(0, max(1, len(order)), _CHUNK):
        rows = vectors[order[start : start + _CHUNK]]
        rows = sp.csr_array((rows.data, rank[rows.indices], rows.indptr), shape=rows.shape)
        rows.sort_indices()
        parts.append(_entries(rows, weights[by_rarity], scale[start : start + _CHUNK], rest))
    data, indices, mass, behind, lengths = (np.concatenate(part) for part in zip(*parts, strict=True))
    rows = sparse_rows(data, indices, np.concatenate([[0], np.cumsum(lengths)]), vectors.shape[1])
    return _Heads(rows, scale, mass, behind, rest)


def _entries(
    rows: sp.csr_array, weights: Floats, scale: Floats, rest: float
) -> tuple[Floats, Numbers, Floats, Floats, Numbers]:
    """Of the entries of any head: number, feature, mass from there on and mass behind; and how many each row has."""
    per_row = np.diff(rows.indptr)
    own = np.abs(rows.data) * weights.take(rows.indices)
    sums = np.concatenate([[0.0], np.cumsum(own, dtype=np.float64)])
    mass = np.repeat(sums[rows.indptr[1:]], per_row) - sums[:-1]
    # What follows in any product is at most the length of the row there, whose square is at most mass times scale.
    kept = np.flatnonzero(mass * np.repeat(scale, per_row) >= rest * rest)
    lengths = np.diff(np.searchsorted(kept, rows.indptr))
    mass = mass.take(kept)
    behind = mass - own.take(kept)
    return rows.data.take(kept), rows.indices.take(kept), mass.astype(np.float32), behind.astype(np.float32), lengths


def _met(heads: _Heads, tile: slice, others: list[slice], bound: float, work: int) -> Iterator[tuple[Numbers, Numbers]]:
    """The pairs of a row of the tile and one of the others whose product of heads, and what can follow, reach the bound."""
    for other in others:
        left, behind_left = heads.of(tile, heads.scale[other.start])
        if not left.nnz:  # nor for any other behind, where scales are lower still
            return
        right, behind_right = heads.of(other, heads.scale[tile.start])
        across = sp.csr_array(right.T)
        for start, stop in _blocks(left, across, work):
            product = left[start:stop] @ across
            found = np.flatnonzero(product.data >= bound - heads.rest)
            in_row = np.diff(np.searchsorted(found, product.indptr))
            first, second = np.repeat(np.arange(start, stop, dtype=np.int32), in_row), product.indices.take(found)
            a, b = first + tile.start, second + other.start
            # The shorter of two heads ends the product; what follows is at most the mass behind it times the other's scale.
            follows = np.maximum(behind_left.take(first) * heads.scale.take(b), behind_right.take(second) * heads.scale.take(a))
            reach = product.data.take(found) + np.minimum(follows, heads.rest) >= bound
            kept = np.flatnonzero(reach & (a < b))
            yield a.take(kept), b.take(kept)


def _blocks(left: sp.csr_array, across: sp.csr_array, work: int) -> Iterator[tuple[int, int]]:
    """Cut the rows into ranges whose products take about `work` multiplications each, at least a row a range."""
    cost = np.concatenate([[0], np.cumsum(np.diff(across.indptr)[left.indices], dtype=np.int64)])[left.indptr]
    start = 0
    while start < left.shape[0]:
        stop = max(start + 1, int(np.searchsorted(cost, cost[start] + work, side="right")) - 1)
        yield start, stop
        start = stop
