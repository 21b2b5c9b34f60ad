"""How a table is read: one description for every command that reads one."""

import re
from dataclasses import dataclass

SINGLE = ""
"""The delimiter of a table of a single column, in which nothing separates cells."""
QUOTINGS = ("minimal", "none", "backslash")
KINDS = {
    "csv": "a csv or text file",
    "jsonl": "a JSON file",
    "parquet": "a parquet file",
    "xlsx": "a workbook",
    "sample": "the bundled sample",
    "memory": "an object in memory",
}
"""Kinds of tables, and what messages call them."""
APPLIES = {
    "encoding": ("csv", "jsonl"),
    "delimiter": ("csv",),
    "quoting": ("csv",),
    "skip": ("csv", "xlsx"),
    "no_header": ("csv", "xlsx"),
    "max_cell": ("csv", "jsonl", "parquet", "xlsx"),
    "skip_bad": ("csv", "jsonl"),
    "sheet": ("xlsx",),
}
"""The kinds of tables that each field of `TableFormat` applies to."""


@dataclass(frozen=True, kw_only=True)
class TableFormat:
    """How a table is read. Fields are named as the options that set them, which errors refer to.

    Attributes:
        encoding: Encoding of the text; None: that of the byte order mark, or else UTF-8.
        delimiter: Character between cells, or `SINGLE`; None: found in the first rows.
        quoting: What quotes mean. minimal: they enclose a cell, and two stand for one. none: they only mean themselves.
            backslash: as minimal, and a backslash takes the meaning from the next character, as in MySQL. None: minimal, but a
            table for which that is doubtful is refused.
        skip: Number of lines before the header.
        no_header: Whether the first line is a row; columns are then called 1, 2 and so on.
        max_cell: Characters that a cell may have; more are usually a quote that never closes.
        skip_bad: Whether rows with too few or too many cells are set apart, as `Table.bad_rows`, instead of refused.
        sheet: Name of the sheet of a workbook; None: the first.
    """

    encoding: str | None = None
    delimiter: str | None = None
    quoting: str | None = None
    skip: int = 0
    no_header: bool = False
    max_cell: int = 1_000_000
    skip_bad: bool = False
    sheet: str | None = None


DEFAULT_FORMAT = TableFormat()


def delimiter_named(text: str) -> str:
    r"""The delimiter that is typed as `text`: itself, tab or \t, none for `SINGLE`, or an escape such as \x01."""
    escape = re.fullmatch(r"\\x([0-9a-fA-F]{2})", text)
    return chr(int(escape[1], 16)) if escape else {"tab": "\t", "\\t": "\t", "none": SINGLE}.get(text, text)


def delimiter_name(delimiter: str) -> str:
    """How to type a delimiter; the inverse of `delimiter_named`."""
    names = {"\t": "tab", SINGLE: "none"}
    return names.get(delimiter, delimiter if delimiter.isprintable() else f"\\x{ord(delimiter):02x}")
