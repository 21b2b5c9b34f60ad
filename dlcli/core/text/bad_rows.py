"""Write the rows that were set apart when tables were read (the option `skip_bad`)."""

import io
from pathlib import Path

from dlcli.support.atomic import write_text
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table, write_csv

COLUMNS = ("table", "line", "problem", "text")


def save_bad_rows(path: Path | None, *tables: Table) -> None:
    """Write the bad rows of all tables to a csv file, one per row, with the number of the line on which each starts.

    The file is written even if there are none, so that one of an earlier run does not stay. Does nothing without a path. Raises
    UsageError if the file is that of a table.
    """
    if path is None:
        return
    for table in tables:
        if path.is_file() and Path(table.name).is_file() and path.samefile(table.name):
            raise UsageError(f"`skip_bad`: {path} is a table that is read, which would be lost", hint="write to another file")
    stream = io.StringIO(newline="")
    write_csv(Table(list(COLUMNS), [[table.name, *bad] for table in tables for bad in table.bad_rows]), stream)
    write_text(path, stream.getvalue())
