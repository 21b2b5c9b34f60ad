"""The distinct texts of a table, numbered in the order of their keys, so that no result depends on the order of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.tokens import fold_all


@dataclass(frozen=True)
class Distinct:
    """The texts of a table, one per distinct key.

    Attributes:
        keys: The k distinct keys, sorted.
        texts: The spelling chosen for each key, (k).
        of_row: For each row the number of its text, (rows,); -1 for a row without text.
        row: For each text the row that represents it, counted from 0, (k,).
        priority: For each text the priority of that row, (k,).
    """

    keys: list[str]
    texts: list[str]
    of_row: NDArray[np.int64]
    row: NDArray[np.int64]
    priority: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)


def distinct(texts: Sequence[str], priority: NDArray[np.int64] | None = None) -> Distinct:
    """Find the distinct texts of rows. Rows whose text folds to "" have none.

    Of several spellings of a key, the first by `spelling_rank` is kept, so all capitals only if there is no other.

    Args:
        texts: The text of each row.
        priority: (rows,) the row of highest priority represents its text, the first one among equals. None prefers rows
            written in the chosen spelling, so that a table of only the representing rows has the same texts again.

    Returns:
        The distinct texts.
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
    """Sort key of the spellings of one key, of which the lowest is kept.

    Returns:
        Whether the text is all capitals, and the text.
    """
    return text.isupper(), text
