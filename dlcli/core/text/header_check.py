"""Whether the header of a table reads like a row, or the first row like a header that a title stands before."""

import re

from dlcli.core.text.column_evidence import NAMES, is_value
from dlcli.core.text.tokens import fold
from dlcli.support.blanks import is_blank
from dlcli.support.plural import count
from dlcli.support.tables import Table, cell_text

_SOME_ROWS = 1000
_MOST = 0.8


def header_warning(table: Table) -> str:
    """A sentence about the header if it reads like data, or the first row like a header; else ""."""
    rows = [[cell_text(cell) for cell in row] for row in table.rows[:_SOME_ROWS]]
    if _is_header(rows):
        shown = ", ".join(cell.strip() for cell in rows[0][:5])
        return f"{table.name}: row 1 reads like a header ({shown}); pass `skip=1` if the line before it is a title"
    first, *others = [name.strip() for name in table.columns]
    if first and others and not any(others):
        return (
            f"{table.name}: only the first of {count(len(table.columns), 'column')} has a name; pass "
            f"`skip=1` if that is a title"
        )
    columns = [[row[place].strip() for row in rows if not is_blank(row[place])] for place in range(len(table.columns))]
    names = [name.strip() for name in table.columns]
    shapes = [_shape(name) for name in names]
    # Years and months over the columns of a pivot table are values with names of one shape.
    values = [
        name
        for name, shape, cells in zip(names, shapes, columns, strict=True)
        if name and cells and _is_like(name, shape, cells) and shapes.count(shape) == 1
    ]
    again = [name for name, cells in zip(names, columns, strict=True) if _is_repeated(name, cells, alone=len(names) == 1)]
    sentences = [name for name in names if _is_sentence(name)]
    whole = len(sentences) + len(values) >= len([name for name in names if name])
    found = values or again or (sentences if rows and whole else [])
    if not found:
        return ""
    shown = found[0] if len(found[0]) <= 40 else found[0][:39] + "\u2026"
    return f"{table.name}: the header reads like data ('{shown}'); pass `no_header` if the first line is a row"


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row has names only, one of them over a column of numbers, dates or the like."""
    names, others = [cell.strip() for cell in rows[0]] if rows else [], rows[1:]
    if len(others) < 2 or len(set(names)) < len(names) or not all(_is_name(name) for name in names):
        return False
    columns = ([row[place].strip() for row in others if not is_blank(row[place])] for place in range(len(names)))
    return any(cells and all(map(is_value, cells)) for cells in columns)


def _is_name(cell: str) -> bool:
    return cell[:1].isalpha() and len(cell.split()) < 4 and not is_value(cell) and not _is_sentence(cell)


def _shape(cell: str) -> str:
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", cell))


def _is_like(name: str, shape: str, cells: list[str]) -> bool:
    """Whether a name is a number, a date or the like, or an identifier such as q001, in a column of such cells."""
    if is_value(name):
        return sum(map(is_value, cells)) >= _MOST * len(cells)
    return "9" in shape and " " not in name and sum(_shape(cell) == shape for cell in cells) >= _MOST * len(cells)


def _is_repeated(name: str, cells: list[str], *, alone: bool) -> bool:
    """Whether a name of several words, or of a single column, is a cell as well."""
    key = fold(name)
    return bool(key) and (" " in key or alone) and key not in NAMES and any(fold(cell) == key for cell in cells)


def _is_sentence(name: str) -> bool:
    words = len(name.split())
    return words > 3 or (words > 1 and name[-1] in ".?!\u3002\uff1f\uff01")
