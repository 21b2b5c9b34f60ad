"""Rows of a table that were set apart because they cannot be read."""

from collections.abc import Sequence
from typing import NamedTuple

from dlcli.support.plural import count


class BadRow(NamedTuple):
    """The number of the line on which a row starts, what is wrong with it, and its text."""

    line: int
    problem: str
    text: str


def describe_bad_rows(name: str, rows: Sequence[BadRow]) -> tuple[str, ...]:
    """A warning about the bad rows of the table of this name, if there are any."""
    return (f"{name}: skipped {count(len(rows), 'row')}, the first in line {rows[0].line}",) if rows else ()
