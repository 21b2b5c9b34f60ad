"""Cells of tables that hold nothing."""

from typing import Any

_BLANKS = frozenset(("", "-", "--", "?", "n/a", "na", "nan", "none", "null", "nil", "#n/a", "\\n"))


def is_blank(cell: Any) -> bool:
    """Whether a cell holds nothing: blanks, null, or a word for it such as n/a."""
    return cell is None or cell != cell or (isinstance(cell, str) and cell.strip().casefold() in _BLANKS)
