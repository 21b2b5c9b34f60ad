"""The distinct texts of a table, numbered in the order of their ids, so that no result depends on the order of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.strict import strict_keys
from dlcli.core.text.tokens import fold_all

_AFTER_BLOCK = "\x1f"
"""Separates the block of a text from its key in its id; neither contains control characters."""


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

    ids: list[str]
    texts: list[str]
    of_row: NDArray[np.int64]
    row: NDArray[np.int64]
    priority: NDArray[np.int64]
    strict: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def keys(self) -> list[str]:
        """The folded key of each text, (k); it occurs several times if it is in several blocks, or has several strict keys."""
        return fold_all(self.keys_in_block) if self.strict else self.keys_in_block

    @cached_property
    def keys_in_block(self) -> list[str]:
        """The key of each text without its block, (k): a strict one if texts are compared so."""
        return [found.rpartition(_AFTER_BLOCK)[2] for found in self.ids]

    @cached_property
    def block(self) -> NDArray[np.int64] | None:
        """The block of each text, ascending from 0, (k,); None if all texts are compared with all."""
        if not self.ids or _AFTER_BLOCK not in self.ids[0]:
            return None
        blocks = np.array([found.partition(_AFTER_BLOCK)[0] for found in self.ids], object)
        return np.cumsum(np.append(False, blocks[1:] != blocks[:-1]))


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
    row_ids = strict_keys(texts) if strict else fold_all(texts)
    if blocks is not None:
        row_ids = [_id(block, key) for block, key in zip(blocks, row_ids, strict=True)]
    written: dict[str, str] = {}
    for found, text in zip(row_ids, texts, strict=True):
        other = written.setdefault(found, text)
        if other != text:
            written[found] = min(other, text, key=spelling_rank)
    written.pop("", None)
    ids = sorted(written)
    numbers = {found: number for number, found in enumerate(ids)} | {"": -1}
    of_row = np.array([numbers[found] for found in row_ids], np.int64)
    if priority is None:
        priority = np.array([written.get(found) == text for found, text in zip(row_ids, texts, strict=True)], np.int64)
    rows = np.flatnonzero(of_row >= 0)
    rows = rows[np.lexsort((rows, -priority[rows], of_row[rows]))]
    rows = rows[np.unique(of_row[rows], return_index=True)[1]]
    return Distinct(ids, [written[found] for found in ids], of_row, rows, priority[rows], strict)


def _id(block: str | None, key: str) -> str:
    return block + _AFTER_BLOCK + key if key and block is not None else ""


def spelling_rank(text: str) -> tuple[bool, str]:
    """Sort key of the spellings of one key, of which the lowest is kept.

    Returns:
        Whether the text is all capitals, and the text.
    """
    return text.isupper(), text
