"""A result as GitHub's markdown, for step summaries of CI and for issues."""

import re
from collections.abc import Iterator

from dlcli.cli.command import COMMAND_INDENT, TerminalTable
from dlcli.cli.streams import printable

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~])")


def markdown(table: TerminalTable, *, verbose: bool = False) -> str:
    """The answer in bold, the table with all its rows, and the notes as a list; `verbose` adds further tables."""
    parts = [f"**{_text(table.answer)}**"] if table.answer else []
    for one in (table, *table.beside, *(table.details if verbose else ())):
        parts += [_text(one.title)] if one.title else []
        parts += ["\n".join(_grid(one))] if one.rows else []
    parts += ["\n".join(_note(note) for note in table.notes if note)] if any(table.notes) else []
    return "\n\n".join(parts) + "\n"


def _grid(table: TerminalTable) -> Iterator[str]:
    right = [all(row[k][:1] in "0123456789+-" for row in table.rows) for k in range(len(table.columns))]
    yield _line(map(_text, table.columns))
    yield _line("---:" if figures else "---" for figures in right)
    for k, row in enumerate(table.rows):
        yield _line(f"**{_text(cell)}**" if k in table.strong and cell else _text(cell) for cell in row)


def _line(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _note(note: str) -> str:
    """A bullet; a command in it is code, which is copied as it stands."""
    first, *more = note.splitlines()
    code = [f"  `{printable(line.strip())}`" if line.startswith(COMMAND_INDENT) else f"  {_text(line)}" for line in more]
    return "\n".join([f"- {_text(first)}", *code])


def _text(text: str) -> str:
    """The text with a backslash before what markdown would read as a mark."""
    return _MARKS.sub(r"\\\1", printable(text)).strip()
