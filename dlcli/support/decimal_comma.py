"""Numbers of which the decimal mark is a comma, as some spreadsheets write them: told, never guessed."""

import re

_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_SHOWN = 40


def has_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number with a comma in place of the decimal point."""
    return _COMMA.fullmatch(cell.strip()) is not None


def with_point(cell: str) -> str:
    """What to do about a cell for which `has_decimal_comma` holds, as a hint."""
    return f"write {cell.strip()[:_SHOWN].replace(',', '.')}, with a point"
