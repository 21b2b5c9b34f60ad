"""Read a table in any format that `dlcli dedupe` accepts."""

from importlib.resources import as_file, files

from dlcli.core.parquet import read_parquet
from dlcli.support.read_tables import kind_of, parse_table, read_bytes, read_table
from dlcli.support.tables import Table

SAMPLE = "questions"


def open_table(source: str, *, encoding: str = "utf-8", delimiter: str | None = None, max_cell: int = 1_000_000) -> Table:
    """Read csv, tsv, jsonl or parquet, plain or .gz, or the embedded sample.

    Args:
        source: Path of the file; - is standard input, and `questions` the embedded sample.
        encoding: Text encoding of the file.
        delimiter: Character between cells; None detects it.
        max_cell: Longest cell accepted, in characters.

    Returns:
        The table, named after its source.

    Raises:
        InputError: If the table cannot be read; names file, row and column.
        MissingExtraError: For parquet without pyarrow.
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
