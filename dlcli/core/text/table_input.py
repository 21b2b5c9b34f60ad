"""Open a table of any kind that dedupe takes."""

from importlib.resources import as_file, files

from dlcli.core.parquet import read_parquet
from dlcli.support.read_tables import kind_of, parse_table, read_bytes, read_table
from dlcli.support.tables import Table

SAMPLE = "questions"


def open_table(source: str, *, encoding: str = "utf-8", delimiter: str | None = None, max_cell: int = 1_000_000) -> Table:
    """Read csv, tsv, jsonl or parquet, plain or .gz, - for standard input, or the embedded sample `questions`.

    Raises InputError naming file, row and column for what cannot be read, MissingExtraError for parquet without pyarrow.
    """
    if source == SAMPLE:
        with as_file(files("dlcli.samples") / "questions.csv") as path:
            table = read_table(str(path))
        table.name = SAMPLE
        return table
    name, data = read_bytes(source)
    if kind_of(name, data) == "parquet":
        return read_parquet(name, data)
    return parse_table(name, data, encoding=encoding, delimiter=delimiter, max_cell=max_cell)
