"""Find the column of a table that holds the texts."""

from typing import Any, NamedTuple

from dlcli.support.errors import InputError
from dlcli.support.suggest import did_you_mean
from dlcli.support.tables import Table, cell_text

NAMES = (
    *("question", "text", "title", "sentence", "content", "body", "query", "prompt", "message", "utterance"),
    *("subject", "description", "comment", "review", "summary", "headline", "document"),
)
_LOOKED_AT = 1000


class ColumnTexts(NamedTuple):
    """The `texts` of a column, "" for null and NaN, and the indices of the rows that are null or NaN, `nulls`."""

    texts: list[str]
    nulls: list[int]


def find_column(table: Table, name: str | None, *, field: str = "column") -> int:
    """The index of the column called `name`, or, if that is None, of the column that holds texts.

    Without a name: the only column; else a column called as in `NAMES`; else one whose name starts like that and that reads
    like text; else, of all that read like text, the one with the longest cells. `field` is the field of the configuration that
    names the column, for messages. Raises InputError, with the names of the columns, if there is no such column.
    """
    if name is not None:
        return _named(table, name, field)
    folded = [column.strip().casefold() for column in table.columns]
    if len(folded) == 1:
        return 0
    like_text = {place: length for place in range(len(folded)) if (length := _text_length(table, place))}
    exact = [folded.index(known) for known in NAMES if known in folded]
    begun = [place for known in NAMES for place in range(len(folded)) if folded[place].startswith(known)]
    begun = [place for place in begun if place in like_text or not table.rows]
    longest = sorted(like_text, key=lambda place: -like_text[place])
    for place in (*exact, *begun, *longest):
        return _named(table, table.columns[place], field)
    raise InputError(f"{table.name}: no column reads like text; {_listed(table)}", hint=f"name one with `{field}`")


def _named(table: Table, name: str, field: str) -> int:
    if table.columns.count(name) > 1:
        raise InputError(f"{table.name}: {table.columns.count(name)} columns are called '{name}'", hint="rename one of them")
    if name in table.columns:
        return table.columns.index(name)
    hint = did_you_mean(name, table.columns, f"name one of them with `{field}`")
    raise InputError(f"{table.name}: has no column '{name}'; {_listed(table)}", hint=hint)


def _listed(table: Table) -> str:
    shown = ", ".join(f"'{column}'" for column in table.columns[:20])
    return f"the columns are {shown}" + (f" and {len(table.columns) - 20} more" if len(table.columns) > 20 else "")


def _text_length(table: Table, place: int) -> float:
    """The mean length of the cells if the column reads like text, mostly letters and mostly distinct; else 0."""
    cells = [text for row in table.rows[:_LOOKED_AT] if (text := _text(row[place]).strip())]
    letters = sum(sum(map(str.isalpha, cell)) + sum(map(str.isspace, cell)) for cell in cells)
    length = sum(map(len, cells))
    if not cells or letters < 0.6 * length or 2 * len(set(cells)) < len(cells):
        return 0.0
    return length / len(cells)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else ""


def texts_of(table: Table, place: int) -> ColumnTexts:
    """The texts of the column at index `place`."""
    nulls = [k for k, row in enumerate(table.rows) if row[place] is None or row[place] != row[place]]
    texts = [cell_text(row[place]) for row in table.rows]
    for k in nulls:
        texts[k] = ""
    return ColumnTexts(texts, nulls)
