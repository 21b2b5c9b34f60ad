"""The distinct texts of a table, numbered in the order of their keys: nothing that follows knows the order of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.tokens import fold_all


@dataclass(frozen=True)
class Distinct:
    """The texts of a table, one for each distinct key.

    `keys` (k) are sorted, and `texts` (k) is how each is written; `of_row` (rows,) has for each row the number of its text, -1
    if it has none; `row` (k,) is the row that stands for a text, counted from 0, and `priority` (k,) what it is worth.
    """

    keys: list[str]
    texts: list[str]
    of_row: NDArray[np.int64]
    row: NDArray[np.int64]
    priority: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)


def distinct(texts: Sequence[str], priority: NDArray[np.int64] | None = None) -> Distinct:
    """The distinct texts of rows; rows whose text folds to nothing have none.

    Of several ways to write a key the first in the order of characters is taken, capitals throughout only if there is no other.
    Of the rows with a key the first of those that are worth most stands for all; without `priority`, the first that is written
    in that way, so that a table of such rows alone has the same texts again.
    """
    row_keys = fold_all(texts)
    written: dict[str, str] = {}
    for key, text in zip(row_keys, texts, strict=True):
        other = written.setdefault(key, text)
        if other != text:
            written[key] = min(other, text, key=spelling_rank)
    written.pop("", None)
    keys = sorted(written)
    numbers = {key: number for number, key in enumerate(keys)} | {"": -1}
    of_row = np.array([numbers[key] for key in row_keys], np.int64)
    if priority is None:
        priority = np.array([written.get(key) == text for key, text in zip(row_keys, texts, strict=True)], np.int64)
    rows = np.flatnonzero(of_row >= 0)
    rows = rows[np.lexsort((rows, -priority[rows], of_row[rows]))]
    rows = rows[np.unique(of_row[rows], return_index=True)[1]]
    return Distinct(keys, [written[key] for key in keys], of_row, rows, priority[rows])


def spelling_rank(text: str) -> tuple[bool, str]:
    """What ways to write one key are ordered by: the lowest is taken."""
    return text.isupper(), text
