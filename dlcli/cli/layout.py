"""Lays a result out as lines of text: the answer, the table, then notes; knows no colours and no streams.

A table that is wider than the screen first wraps its texts at spaces. If that is not enough, the columns that do not fit stand
in a second block below, after the names of the rows. Figures stay whole: no interval is ever broken over lines.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dlcli.cli.command import COMMAND_INDENT, TerminalTable
from dlcli.cli.pictures import Sketch
from dlcli.specs.figures import EXPLAINED

MOST_NOTES = 2
"""Notes below a table on a terminal; -v prints all of them."""
_FIGURE = r"[-+]?[\d.,]+(?:e[-+]?\d+)?%?"
_INTERVAL = re.compile(rf"{_FIGURE}(?: points?)? \[[-+\d., e∞inf]+\]\S*")
_PIECE = re.compile(rf"{_INTERVAL.pattern}|\S+")
_CELL_PIECE = re.compile(rf"{_INTERVAL.pattern}|--\S+ (?!-)\S+|\S+, %|\S+")
"""In a head or a cell, an option stays with its value and a unit with what it is the unit of."""
_CELL = re.compile(r"(\S+) (\[.*)", flags=re.DOTALL)
_GAPS = (3, 2)
_IS_FIGURE = re.compile(r"[-+]?(?:[\d.∞]|inf|nan|$)")


@dataclass(frozen=True)
class Line:
    """A line of the screen; `style` is answer, head, strong, note or empty."""

    text: str
    style: str = ""


def cells_of(text: str) -> int:
    """The width of a text on a terminal: letters of Chinese and the like take two cells."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # here, so that what prints rows on a pipe does not pay for it

    return cell_len(text)


def lines(table: TerminalTable, width: int, *, verbose: bool, pictures: bool, all_notes: bool = False) -> Iterator[Line]:
    """A result as lines.

    Args:
        table: What to show.
        width: Cells of a line of the screen.
        verbose: Whether to show every row, note and further table.
        pictures: Whether the screen has the letters of bars and curves; else their columns are skipped.
        all_notes: Whether to show every note.

    Yields:
        The lines, none of them longer than `width`, but for words that are longer themselves.
    """
    yield from (Line(text, "answer") for text in wrapped(table.answer, width))
    yield from _grid(table, width, verbose=verbose, pictures=pictures)
    for more in (*table.beside, *(table.details if verbose else ())):
        yield Line("")
        yield from _grid(more, width, verbose=True, pictures=pictures)
    notes = shown_notes(table, verbose=verbose or all_notes)
    if notes:
        yield Line("")
    yield from (Line(text, "note") for note in notes for text in wrapped(note, width))


def _grid(table: TerminalTable, width: int, *, verbose: bool, pictures: bool) -> Iterator[Line]:
    """The title and the rows."""
    rows = table.rows if verbose else table.rows[: shown_rows(table)]
    kept = [k for k in range(len(table.columns)) if pictures or not _is_picture(table, k)]
    if not rows or not kept:
        return
    yield from (Line(text) for text in wrapped(table.title, width))
    drawings = [k for k in kept if _is_picture(table, k)]
    if drawings and not _fits(table, rows, kept, width):
        kept = [k for k in kept if k not in drawings]
    for block in _blocks(table, rows, kept, width):
        yield Line("")
        yield from block


def shown_rows(table: TerminalTable) -> int:
    """How many rows a terminal shows without -v: to report a single one would take a line as well."""
    most = len(table.rows) if table.most is None else table.most
    return len(table.rows) if len(table.rows) <= most + 1 else most


def shown_notes(table: TerminalTable, *, verbose: bool) -> list[str]:
    """The notes that are printed, and what -v would add."""
    notes = [note for note in table.notes if note]
    if verbose:
        return [*notes, *([EXPLAINED] if _has_intervals(table) else [])]
    hidden = len(table.rows) - shown_rows(table)
    left = [table.rest or f"{hidden:,} more rows"] if hidden else []
    left += dict.fromkeys(more.title.partition(",")[0] for more in table.details if more.title)
    few = len(notes) - MOST_NOTES
    left += [f"{few} more note{'s' if few > 1 else ''}"] if few > 0 else []
    return [*notes[:MOST_NOTES], *([f"With -v: {'; '.join(left)}."] if left else [])]


def _has_intervals(table: TerminalTable) -> bool:
    return any(_INTERVAL.search(cell) for one in (table, *table.beside, *table.details) for row in one.rows for cell in row)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken between words and never inside an interval.

    A word that is longer stands whole on a line of its own. A line of `COMMAND_INDENT` and a command of dlcli is continued by a
    backslash, so that it can be copied.
    """
    found = []
    for line in text.splitlines():
        command = line.startswith(f"{COMMAND_INDENT}dlcli ")
        found += _command(line, width) if command else _filled(_PIECE.findall(line), width)
    return found


def _filled(pieces: Sequence[str], width: int) -> list[str]:
    found: list[str] = []
    for piece in pieces:
        if found and cells_of(found[-1]) + 1 + cells_of(piece) <= width:
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found


def _command(line: str, width: int) -> list[str]:
    pieces = re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"]|\\.)+", line)
    first, *more = _filled(pieces, width - len(COMMAND_INDENT) - 4)
    found = [COMMAND_INDENT + first, *(f"{COMMAND_INDENT}  {part}" for part in more)]
    return [*(f"{part} \\" for part in found[:-1]), found[-1]]


_Rows = Sequence[Sequence[str]]


def _fits(table: TerminalTable, rows: _Rows, kept: list[int], width: int) -> bool:
    """Whether the columns fit without a second block."""
    return 1 + sum(min(_GAPS) + one.least for one in _columns(table, rows, kept)) - min(_GAPS) <= width


def _columns(table: TerminalTable, rows: _Rows, kept: list[int]) -> list["_Column"]:
    return [_Column.of(table.columns[k], [row[k] for row in rows], figures=_is_figures(table, k)) for k in kept]


def _blocks(table: TerminalTable, rows: _Rows, kept: list[int], width: int) -> Iterator[Iterator[Line]]:
    first, *others = _columns(table, rows, kept)
    strong = [k in table.strong for k in range(len(rows))]
    while True:
        block, others = _fitting(first, others, width)
        yield _drawn(block, strong, width)
        if not others:
            return


@dataclass(frozen=True)
class _Column:
    """A head, its cells, and how narrow they can be made."""

    head: str
    cells: tuple[str, ...]
    figures: bool
    least: int
    natural: int

    @classmethod
    def of(cls, head: str, cells: Sequence[str], *, figures: bool) -> "_Column":
        cells = _aligned(cells) if figures else tuple(cells)
        natural = max(map(cells_of, (head, *cells)))
        # Between letters of two cells, such as Chinese, a line may be broken anywhere.
        words = [word for text in ((head,) if figures else (head, *cells)) for word in _CELL_PIECE.findall(text)]
        narrow = [min(cells_of(word), 2) if cells_of(word) >= 2 * len(word) else cells_of(word) for word in words]
        return cls(head, cells, figures, max([*narrow, *(map(cells_of, cells) if figures else ()), 1]), natural)


def _aligned(cells: Sequence[str]) -> tuple[str, ...]:
    """Figures of a column whose ends stand under each other, and so do the intervals behind them."""
    parts = [found.groups() if (found := _CELL.fullmatch(cell)) else (cell, "") for cell in cells]
    values = max((cells_of(value) for value, _ in parts), default=0)
    ends = max((cells_of(interval) for _, interval in parts), default=0)
    return tuple(f"{value:>{values}} {interval:<{ends}}" if ends else f"{value:>{values}}" for value, interval in parts)


def _is_figures(table: TerminalTable, k: int) -> bool:
    return all(_IS_FIGURE.match(row[k]) for row in table.rows) and not _is_picture(table, k)


def _is_picture(table: TerminalTable, k: int) -> bool:
    cells = [row[k] for row in table.rows if row[k]]
    return bool(cells) and all(isinstance(cell, Sketch) for cell in cells)


def _fitting(first: _Column, others: list[_Column], width: int) -> tuple[list[_Column], list[_Column]]:
    """The columns of one block, and those that are left for the next."""
    block, taken = [first], first.least + 1
    for column in others:
        taken += min(_GAPS) + column.least
        if taken > width and len(block) > 1:
            break
        block.append(column)
    return block, others[len(block) - 1 :]


def _drawn(block: list[_Column], strong: list[bool], width: int) -> Iterator[Line]:
    room = width - 1
    gap = next((gap for gap in _GAPS if sum(one.natural + gap for one in block) - gap <= room), min(_GAPS))
    widths = _widths(block, room - gap * (len(block) - 1))
    if any(column.head for column in block):
        yield from (Line(text, "head") for text in _row([column.head for column in block], block, widths, gap))
        yield Line(f" {'─' * (sum(widths) + gap * (len(block) - 1))}")
    for k, bold in enumerate(strong):
        yield from (Line(text, "strong" if bold else "") for text in _row([one.cells[k] for one in block], block, widths, gap))


def _widths(block: list[_Column], room: int) -> list[int]:
    """As wide as the columns are, the widest made narrower until they fit."""
    widths = [column.natural for column in block]
    while sum(widths) > room:
        able = [k for k, column in enumerate(block) if widths[k] > column.least]
        if not able:  # a word is longer than the screen is wide
            able = [k for k, w in enumerate(widths) if w > 1]
        widths[max(able, key=lambda k: widths[k])] -= 1
    return widths


def _row(cells: Sequence[str], block: list[_Column], widths: list[int], gap: int) -> Iterator[str]:
    parts = [_in_column(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for k in range(max(map(len, parts))):
        texts = [part[k] if k < len(part) else "" for part in parts]
        padded = [_pad(text, width, right=column.figures) for text, width, column in zip(texts, widths, block, strict=True)]
        yield f" {(' ' * gap).join(padded)}".rstrip()


def _in_column(cell: str, width: int) -> list[str]:
    if cells_of(cell) <= width:
        return [cell]
    return [part for line in _filled(_CELL_PIECE.findall(cell), width) for part in (_chopped(line, width) or [line])]


def _chopped(text: str, width: int) -> list[str]:
    from rich.cells import chop_cells

    return chop_cells(text, width)


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cells_of(text))
    return space + text if right else text + space
