"""Pairs of many dense rows by cells: each row is multiplied only with the rows of the cells nearest to it.

Cells come from spherical k-means (Dhillon and Modha 2001), about as many as the square root of the number of rows, so that
assigning rows to cells and comparing rows within cells cost about the same. A pair is found if either row probes the cell of
the other; the missing ones are pairs across cells that are far apart, which `sampled_recall` measures. This is an inverted file
(Jegou et al. 2011), but with a threshold instead of k neighbours and within one set of rows.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dlcli.support.seeds import derive

PROBES = 8
"""How many cells are searched for each row, including its own."""

_ROUNDS = 6
_TRAINED_ON = 32
"""Rows per cell in the sample for k-means."""
_BLOCK = 4096
"""Rows assigned at a time. Fixed, because a product of another block size may round differently and change a cell."""

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]


def cell_candidates(vectors: Floats, bound: float, work: int) -> Iterator[tuple[Numbers, Numbers, int]]:
    """Find pairs `first < second`, each once, whose product is at least `bound`.

    Yields the two rows of each pair of a block, and how many rows are finished with it. `vectors` (n, dimensions) have L2
    norm 1 or 0; a block takes about `work` products. The cells are the same in every run.
    """
    centres = _centres(vectors)
    probes = _nearest(vectors, centres, min(PROBES, len(centres)))
    cell = probes[:, 0]
    members, probing = _lists(cell[:, None], len(centres)), _lists(probes, len(centres))
    for inside, searchers in zip(members, probing, strict=True):
        others = vectors[inside]
        size = max(1, work // max(1, len(inside)))
        for start in range(0, len(searchers) if len(inside) else 0, size):
            rows = searchers[start : start + size]
            left, right = np.nonzero(vectors[rows] @ others.T >= bound)
            first, second = rows[left], inside[right]
            # A pair whose rows probe each other's cells is found from both sides; only the side of its lower row is kept.
            once = (first < second) | ((first > second) & ~(probes[second] == cell[first][:, None]).any(axis=1))
            first, second = first[once], second[once]
            yield np.minimum(first, second), np.maximum(first, second), 0
        none = np.empty(0, np.int32)
        yield none, none, len(inside)


def _centres(vectors: Floats) -> Floats:
    """The centres (cells, dimensions), of length 1, from a random sample of the rows; empty cells keep their centres."""
    rng = np.random.default_rng(derive(0, "cells"))
    count = max(1, round(len(vectors) ** 0.5))
    sample = vectors[np.sort(rng.permutation(len(vectors))[: _TRAINED_ON * count])]
    centres = sample[np.sort(rng.permutation(len(sample))[:count])]
    for _ in range(_ROUNDS):
        cell = _nearest(sample, centres, 1)[:, 0]
        order = np.argsort(cell, kind="stable")
        starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
        sums = np.add.reduceat(sample[order], starts, axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres[cell[order[starts]]] = sums / np.where(lengths > 0, lengths, 1)
    return centres


def _nearest(vectors: Floats, centres: Floats, count: int) -> Numbers:
    """The `count` centres nearest to each row, (n, count), the nearest first, the others in no order."""
    found = np.empty((len(vectors), count), np.int32)
    for start in range(0, len(vectors), _BLOCK):
        product = vectors[start : start + _BLOCK] @ centres.T
        best = product.argmax(axis=1)
        found[start : start + _BLOCK, 0] = best
        if count > 1:
            product[np.arange(len(product)), best] = -np.inf
            found[start : start + _BLOCK, 1:] = np.argpartition(product, -(count - 1), axis=1)[:, -(count - 1) :]
    return found


def _lists(cells: Numbers, count: int) -> list[Numbers]:
    """For each of `count` cells the rows of `cells` (n, any) that contain it, in order."""
    flat = cells.ravel()
    rows = (np.argsort(flat, kind="stable") // cells.shape[1]).astype(np.int32)
    return np.split(rows, np.cumsum(np.bincount(flat, minlength=count))[:-1])
