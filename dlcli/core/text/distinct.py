"""The distinct texts of a table, numbered in the order of their ids, so that no result depends on the order of the rows."""

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress, groupby
from operator import itemgetter, ne
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.stored_texts import TextCollector, made_texts
from dlcli.core.text.strict import strict_keys
from dlcli.core.text.tokens import fold_all
from dlcli.support.row_store import batches, stored_rows

_AFTER_BLOCK = "\x1f"
"""Separates the block of a text from its key in its id; neither contains control characters."""
_SORTED = 1 << 16
"""Rows that are sorted in memory."""
_AT_ONCE = 1 << 12


@dataclass(frozen=True)
class Distinct:
    """The texts of a table, one per distinct key, or one per block and key.

    Attributes:
        ids: The k distinct keys, sorted, each after its block if rows are compared within blocks only.
        texts: The spelling chosen for each id, (k).
        of_row: For each row the number of its text, (rows,); -1 for a row without text or without a block.
        row: For each text the row that represents it, counted from 0, (k,).
        priority: For each text the priority of that row, (k,).
        strict: Whether the keys in `ids` are strict ones, for code and formulas.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    of_row: NDArray[np.int64]
    row: NDArray[np.int64]
    priority: NDArray[np.int64]
    strict: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The number of rows of each text, (k,)."""
        return np.bincount(self.of_row[self.of_row >= 0], minlength=len(self))

    @cached_property
    def keys(self) -> Sequence[str]:
        """The folded key of each text, (k); it occurs several times if it is in several blocks, or has several strict keys."""
        return made_texts(fold_all, self.keys_in_block) if self.strict else self.keys_in_block

    @cached_property
    def keys_in_block(self) -> Sequence[str]:
        """The key of each text without its block, (k): a strict one if texts are compared so."""
        return self.ids if self.block is None else made_texts(_without_block, self.ids)

    @cached_property
    def block(self) -> NDArray[np.int64] | None:
        """The block of each text, ascending from 0, (k,); None if all texts are compared with all."""
        if not self.ids or _AFTER_BLOCK not in self.ids[0]:
            return None
        sizes = [sum(1 for _ in same) for _, same in groupby(found.partition(_AFTER_BLOCK)[0] for found in self.ids)]
        return np.repeat(np.arange(len(sizes)), sizes)


def _without_block(ids: Sequence[str]) -> list[str]:
    return [found.rpartition(_AFTER_BLOCK)[2] for found in ids]


def distinct(
    texts: Sequence[str],
    priority: NDArray[np.int64] | None = None,
    blocks: Sequence[str | None] | None = None,
    *,
    strict: bool = False,
) -> Distinct:
    """Find the distinct texts of rows. Rows whose text folds to "" have none.

    Of several spellings of a key, the first by `spelling_rank` is kept, so all capitals only if there is no other.

    Args:
        texts: The text of each row.
        priority: (rows,) the row of highest priority represents its text, the first one among equals. None prefers rows
            written in the chosen spelling, so that a table of only the representing rows has the same texts again.
        blocks: The block of each row: texts of different blocks are distinct. A row without one, None, has no text either.
            None compares all rows.
        strict: Whether texts are distinct if their strict keys are, see `strict_keys`.

    Returns:
        The distinct texts.
    """
    of_row, numbers = np.full(len(texts), -1, np.int64), [np.empty((0, 2), np.int64)]
    ids, written = TextCollector(), TextCollector()
    start = 0
    for keys, rows, spellings in _whole_texts(_sorted_rows(texts, blocks, strict)):
        first = np.fromiter(map(ne, keys, chain([None], keys)), bool, len(keys))
        of_row[np.array(rows)] = start + np.cumsum(first) - 1
        chosen = [*compress(zip(rows, spellings, strict=True), first)]
        begins, ends = np.flatnonzero(first), np.append(np.flatnonzero(first)[1:], len(keys))
        for number in np.flatnonzero(ends - begins > 1).tolist():  # most texts are those of one row alone
            same = slice(begins[number], ends[number])
            chosen[number] = _chosen(rows[same], spellings[same], priority)
        ids.extend(compress(keys, first))
        written.extend(spelling for _, spelling in chosen)
        row = np.fromiter((row for row, _ in chosen), np.int64)
        numbers.append(np.stack([row, np.ones(len(row), np.int64) if priority is None else priority[row]], axis=1))
        start += len(chosen)
    row, highest = np.concatenate(numbers).T.copy()
    return Distinct(ids.texts(), written.texts(), of_row, row, highest, strict)


_SortedRow = tuple[str, int, str]
"""The id, number and text of a row."""


def _whole_texts(rows: Iterable[_SortedRow]) -> Iterator[Iterable[tuple[Any, ...]]]:
    """The ids, numbers and texts of some rows, then those of others; rows with the same id are together."""
    held: list[_SortedRow] = []
    for some in batches(rows, _AT_ONCE):
        held += some
        end = bisect_left(held, held[-1][0], key=itemgetter(0))
        if end:
            yield zip(*held[:end], strict=True)
            held = held[end:]
    if held:
        yield zip(*held, strict=True)


def _sorted_rows(texts: Sequence[str], blocks: Sequence[str | None] | None, strict: bool) -> Iterable[_SortedRow]:
    """Id, number and text of each row that has an id, sorted by id and then by number; many are sorted in parts and merged."""
    parts = []
    for start in range(0, len(texts), _SORTED):
        some = texts[start : start + _SORTED]
        ids = strict_keys(some) if strict else fold_all(some)
        if blocks is not None:
            ids = [_id(block, key) for block, key in zip(blocks[start : start + _SORTED], ids, strict=True)]
        found = sorted(one for one in zip(ids, range(start, start + len(some)), some, strict=True) if one[0])
        parts.append(found if len(texts) <= _SORTED else stored_rows(found))
    return parts[0] if len(parts) == 1 else heapq.merge(*parts)


def _chosen(rows: Sequence[int], spellings: Sequence[str], priority: NDArray[np.int64] | None) -> tuple[int, str]:
    """Choose for the rows of a text.

    Args:
        rows: Several rows with the same id, in order.
        spellings: The text of each.
        priority: The priority of every row of the table; None prefers rows of the chosen spelling.

    Returns:
        The row that represents the text, and the spelling.
    """
    text = min(spellings, key=spelling_rank)
    if priority is None:
        return rows[spellings.index(text)], text
    return rows[int(priority[np.array(rows)].argmax())], text


def _id(block: str | None, key: str) -> str:
    return block + _AFTER_BLOCK + key if key and block is not None else ""


def spelling_rank(text: str) -> tuple[bool, str]:
    """Sort key of the spellings of one key, of which the lowest is kept.

    Returns:
        Whether the text is all capitals, and the text.
    """
    return text.isupper(), text
