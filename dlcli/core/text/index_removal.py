"""Take rows out of an index, so that it holds what one made from the other rows would hold."""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.index_dir import StoredIndex

CHANGED = ""
"""In place of the SHA-256 of a table of which rows were removed: it is none that was added before."""


class RemainingIndex(NamedTuple):
    """An index without some rows, and which of its texts are now spelled otherwise, (n,), so that their scores may change."""

    stored: StoredIndex
    respelled: NDArray[np.bool_]


def remove_rows(stored: StoredIndex, gone: NDArray[np.bool_], tables: Collection[int] = ()) -> RemainingIndex:
    """Remove rows, and the texts, pairs and vectors that no other row has. Ids of groups are not given again.

    Args:
        stored: The index.
        gone: Which of its rows to remove, (rows,).
        tables: Numbers of tables to remove, with all their rows; others are removed if no row with text is left of them.

    Returns:
        What remains.
    """
    gone = gone | np.isin(stored.listed.table, list(tables))
    if not gone.any() and not tables:
        return RemainingIndex(stored, np.zeros(len(stored.keys), bool))
    listed = stored.listed.take(~gone)
    kept = np.flatnonzero(listed.counts(len(stored.keys)) + stored.unlisted > 0)
    numbers = np.full(len(stored.keys), -1, np.int64)
    numbers[kept] = np.arange(len(kept))
    changed, left = (set(np.unique(rows).tolist()) for rows in (stored.listed.table[gone], listed.table))
    order = [k for k in range(len(stored.tables)) if k not in tables and (k in left or k not in changed)]
    new_table = np.zeros(len(stored.tables), np.int32)
    new_table[order] = np.arange(len(order))
    ends = numbers[stored.pairs]
    whole = np.flatnonzero((ends >= 0).all(axis=1))
    index = replace(
        stored,
        tables=[(stored.tables[k][0], CHANGED if k in changed else stored.tables[k][1]) for k in order],
        keys=[stored.keys[k] for k in kept.tolist()],
        listed=replace(listed.renumber(numbers), table=new_table[listed.table]),
        unlisted=stored.unlisted[kept],
        group=stored.group[kept],
        pairs=ends[whole].astype(np.int32),
        cosine=stored.cosine[whole],
        probability=stored.probability[whole],
        vectors=stored.vectors[kept] if len(stored.vectors) else stored.vectors,
    )
    before = [stored.texts[k] for k in kept.tolist()]
    return RemainingIndex(index, np.array([a != b for a, b in zip(before, index.texts, strict=True)], bool))
