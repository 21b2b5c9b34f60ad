"""Read a table in any format that `dlcli dedupe` accepts."""

from dataclasses import replace
from importlib.resources import as_file, files

from dlcli.core.parquet import read_parquet
from dlcli.core.text.header_check import header_warning
from dlcli.core.text.nested import flatten
from dlcli.core.text.table_in_memory import table_in_memory
from dlcli.core.workbook import read_workbook
from dlcli.support.bounded_read import check_table
from dlcli.support.in_memory import InMemory
from dlcli.support.read_tables import content_kind, open_content, parse_table, read_table
from dlcli.support.table_format import DEFAULT_FORMAT, TableFormat
from dlcli.support.tables import Table

SAMPLE = "questions"


def open_table(source: str, table_format: TableFormat = DEFAULT_FORMAT) -> Table:
    """Read csv, tsv, JSON, parquet or xlsx, plain or .gz, or the embedded sample.

    Args:
        source: Path of the file; - is standard input, `questions` the embedded sample, and an `InMemory` the table itself.
        table_format: How to read it.

    Returns:
        The table, named after its source.

    Raises:
        InputError: If the table cannot be read; names file, row and column.
        MissingExtraError: For parquet without pyarrow, and xlsx without openpyxl.
    """
    if isinstance(source, InMemory):
        return table_in_memory(source)
    if source == SAMPLE:
        with as_file(files("dlcli.samples") / "questions.csv") as path:
            table = read_table(str(path))
        table.name = SAMPLE
        return table
    name, content = open_content(source, table_format, others=(SAMPLE,))
    kind = content_kind(name, content)
    if kind in ("parquet", "xlsx"):
        check_table(content.size, name)
    if kind == "parquet":
        return flatten(read_parquet(name, content.whole(), table_format))
    table = read_workbook(name, content.whole(), table_format) if kind == "xlsx" else parse_table(name, content, table_format)
    if kind == "jsonl":
        return flatten(table)
    warning = "" if table_format.no_header else header_warning(table)
    return replace(table, warnings=(*table.warnings, warning)) if warning else table
