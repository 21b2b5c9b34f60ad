"""The rows of the tables in an index: where each is, how it is written, and by which key it can be found again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.distinct import spelling_rank


class TextPlaces(NamedTuple):
    """For each of n texts the table in which it occurred first, and the row there that represents it, from 0; (n,) each."""

    table: NDArray[np.int32]
    row: NDArray[np.int64]


@dataclass(frozen=True)
class IndexedRows:
    """The r rows that have text, sorted by table and row, and the s spellings of n texts.

    Attributes:
        table: Number of the table of each row, (r,).
        number: Row number in that table, from 0, (r,).
        spelling: Number of the spelling of each row, (r,).
        keys: The key of each row, (r); empty if rows have none.
        spellings: The distinct spellings of each text, (s).
        text: Number of the text that each spelling is one of, (s,).
    """

    table: NDArray[np.int32]
    number: NDArray[np.int64]
    spelling: NDArray[np.int32]
    keys: list[str]
    spellings: list[str]
    text: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def text_of_row(self) -> NDArray[np.int32]:
        """Number of the text of each row, (r,)."""
        return self.text[self.spelling]

    @cached_property
    def _rank(self) -> NDArray[np.int64]:
        """The rank of each spelling among those of its text, (s,)."""
        rank = np.zeros(len(self.spellings), np.int64)
        several = np.flatnonzero(np.bincount(self.text)[self.text] > 1) if len(self.text) else np.empty(0, np.int64)
        order = sorted(several.tolist(), key=lambda k: spelling_rank(self.spellings[k]))
        rank[order] = np.arange(len(order))
        return rank

    def chosen(self) -> list[str]:
        """The spelling of each text that `distinct` would choose, (n)."""
        order = np.lexsort((self._rank, self.text))
        first = np.unique(self.text[order], return_index=True)[1]
        return [self.spellings[k] for k in order[first].tolist()]

    def places(self, *, by_spelling: bool) -> TextPlaces:
        """Where each text is found: the row in its first table that `distinct` would choose, by spelling or the first."""
        rank = self._rank[self.spelling] if by_spelling else np.zeros(len(self), np.int64)
        order = np.lexsort((self.number, rank, self.table, self.text_of_row))
        first = order[np.unique(self.text_of_row[order], return_index=True)[1]]
        return TextPlaces(self.table[first], self.number[first])

    def counts(self, n: int) -> NDArray[np.int64]:
        """In how many rows each of n texts occurs, (n,)."""
        return np.bincount(self.text_of_row, minlength=n)

    def take(self, kept: NDArray[np.bool_]) -> "IndexedRows":
        """Only some rows, and the spellings that these have; the numbers of texts and tables stay."""
        used, spelling = np.unique(self.spelling[kept], return_inverse=True)
        return IndexedRows(
            table=self.table[kept],
            number=self.number[kept],
            spelling=spelling.astype(np.int32),
            keys=[self.keys[k] for k in np.flatnonzero(kept).tolist()] if self.keys else [],
            spellings=[self.spellings[k] for k in used.tolist()],
            text=self.text[used],
        )

    def renumber(self, texts: NDArray[np.integer]) -> "IndexedRows":
        """The same with `texts[k]` for the number k of a text."""
        return replace(self, text=texts[self.text].astype(np.int32))

    def append(
        self, table: int, number: NDArray[np.int64], text: NDArray[np.int64], written: Sequence[str], keys: Sequence[str]
    ) -> "IndexedRows":
        """The rows of one more table after these.

        Args:
            table: Its number, higher than all others.
            number: Row numbers, ascending, (m,).
            text: The number of the text of each row, (m,).
            written: How it is written there, (m).
            keys: The keys of these rows, (m), or empty.

        Returns:
            All rows.
        """
        known = {pair: k for k, pair in enumerate(zip(self.text.tolist(), self.spellings, strict=True))}
        spelling = [known.setdefault(pair, len(known)) for pair in zip(text.tolist(), written, strict=True)]
        return IndexedRows(
            table=np.append(self.table, np.full(len(number), table, np.int32)),
            number=np.append(self.number, number),
            spelling=np.append(self.spelling, np.array(spelling, np.int32)),
            keys=[*self.keys, *keys],
            spellings=[spelled for _, spelled in known],
            text=np.array([k for k, _ in known], np.int32),
        )


NO_ROWS = IndexedRows(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32), [], [], np.empty(0, np.int32))


def rows_from_texts(texts: list[str], table: NDArray[Any], row: NDArray[Any]) -> IndexedRows:
    """The rows of an index that stores one row of each of n texts, `row` (n,) of `table` (n,)."""
    order = np.lexsort((row, table))
    numbers = np.arange(len(texts), dtype=np.int32)
    return IndexedRows(table[order].astype(np.int32), row[order].astype(np.int64), order.astype(np.int32), [], texts, numbers)
