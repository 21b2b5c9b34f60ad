"""Read a table in any format that `dlcli dedupe` accepts."""

from dataclasses import replace
from importlib.resources import as_file, files

from dlcli.core.parquet import read_parquet
from dlcli.core.text.header_check import header_warning
from dlcli.core.text.nested import flatten, lone_object_warning
from dlcli.core.text.table_in_memory import table_in_memory
from dlcli.core.workbook import read_workbook
from dlcli.support.bounded_read import check_table
from dlcli.support.format_use import check_applies
from dlcli.support.in_memory import InMemory
from dlcli.support.read_tables import content_kind, open_content, parse_table, read_table
from dlcli.support.table_format import DEFAULT_FORMAT, TableFormat
from dlcli.support.tables import Table

SAMPLE = "questions"


def open_table(source: str, table_format: TableFormat = DEFAULT_FORMAT, *, alone: bool = True) -> Table:
    """Read csv, tsv, JSON, parquet or xlsx, plain or .gz, or the embedded sample.

    Args:
        source: Path of the file; - is standard input, `questions` the embedded sample, and an `InMemory` the table itself.
        table_format: How to read it.
        alone: Whether no other table is read so. Else the caller has to refuse what applies to none (`check_tables`).

    Returns:
        The table, named after its source.

    Raises:
        UsageError: If `table_format` sets what does not apply to such a table.
        InputError: If the table cannot be read; names file, row and column.
        MissingExtraError: For parquet without pyarrow, and xlsx without openpyxl.
    """
    made = _not_a_file(source)
    if made is not None:
        if alone:
            check_tables(table_format, made)
        return made
    name, content = open_content(source, table_format, others=(SAMPLE,))
    kind = content_kind(name, content)
    if alone:
        check_applies(table_format, (name, kind))
    if kind in ("parquet", "xlsx"):
        check_table(content.size, name)
    if kind == "parquet":
        return flatten(read_parquet(name, content.whole(), table_format))
    table = read_workbook(name, content.whole(), table_format) if kind == "xlsx" else parse_table(name, content, table_format)
    if kind == "jsonl":
        warning = lone_object_warning(table)
    else:
        warning = "" if table_format.no_header else header_warning(table)
    table = replace(table, warnings=(*table.warnings, warning)) if warning else table
    return flatten(table) if kind == "jsonl" else table


def _not_a_file(source: str) -> Table | None:
    """An object, or the sample; None for all else."""
    if isinstance(source, InMemory):
        return replace(table_in_memory(source), kind="memory")
    if source != SAMPLE:
        return None
    with as_file(files("dlcli.samples") / "questions.csv") as path:
        return replace(read_table(str(path)), name=SAMPLE, kind="sample")


def check_tables(table_format: TableFormat, *tables: Table, prefix: str = "") -> None:
    """Raise UsageError if `table_format`, whose options have this `prefix`, sets what applies to none of the tables read so."""
    check_applies(table_format, *((table.name, table.kind) for table in tables), prefix=prefix)
