"""Which column of a table holds the texts."""

from typing import Any

from dlcli.support.errors import InputError
from dlcli.support.suggest import closest
from dlcli.support.tables import Table, cell_text

NAMES = (
    *("question", "text", "title", "sentence", "content", "body", "query", "prompt", "message", "utterance"),
    *("subject", "description", "comment", "review", "summary", "headline", "document"),
)
_LOOKED_AT = 1000


def find_column(table: Table, name: str | None, *, option: str = "--column NAME") -> int:
    """The place of the column called `name`, or if None of the one that holds texts.

    Without a name: the only column; else one called as in `NAMES`; else one whose name starts so and that reads like text;
    else, of all that read like text, the one with the longest cells. Raises InputError with the columns there are; `option` is
    how a column is named at the shell.
    """
    if name is not None:
        return _named(table, name, option)
    folded = [column.strip().casefold() for column in table.columns]
    if len(folded) == 1:
        return 0
    like_text = {place: length for place in range(len(folded)) if (length := _text_length(table, place))}
    exact = [folded.index(known) for known in NAMES if known in folded]
    begun = [place for known in NAMES for place in range(len(folded)) if folded[place].startswith(known)]
    begun = [place for place in begun if place in like_text or not table.rows]
    longest = sorted(like_text, key=lambda place: -like_text[place])
    for place in (*exact, *begun, *longest):
        return _named(table, table.columns[place], option)
    raise InputError(f"{table.name}: no column reads like text; {_listed(table)}", hint="name one with --column")


def _named(table: Table, name: str, option: str) -> int:
    if table.columns.count(name) > 1:
        raise InputError(f"{table.name}: {table.columns.count(name)} columns are called '{name}'", hint="rename one of them")
    if name in table.columns:
        return table.columns.index(name)
    near = closest(name, table.columns)
    hint = option.replace("NAME", f"'{near}'") if near else f"name one of them: {option}"
    raise InputError(f"{table.name}: has no column '{name}'; {_listed(table)}", hint=hint)


def _listed(table: Table) -> str:
    shown = ", ".join(f"'{column}'" for column in table.columns[:20])
    return f"the columns are {shown}" + (f" and {len(table.columns) - 20} more" if len(table.columns) > 20 else "")


def _text_length(table: Table, place: int) -> float:
    """The mean length of the cells of a column that reads like text: mostly letters, mostly distinct; 0 of any other."""
    cells = [text for row in table.rows[:_LOOKED_AT] if (text := _text(row[place]).strip())]
    letters = sum(sum(map(str.isalpha, cell)) + sum(map(str.isspace, cell)) for cell in cells)
    length = sum(map(len, cells))
    if not cells or letters < 0.6 * length or 2 * len(set(cells)) < len(cells):
        return 0.0
    return length / len(cells)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else ""


def texts_of(table: Table, place: int) -> tuple[list[str], list[int]]:
    """The texts of a column, "" for null and NaN, and the places of the rows that are null or NaN."""
    nulls = [k for k, row in enumerate(table.rows) if row[place] is None or row[place] != row[place]]
    texts = [cell_text(row[place]) for row in table.rows]
    for k in nulls:
        texts[k] = ""
    return texts, nulls
