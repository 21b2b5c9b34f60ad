"""What every result offers in Python: a data frame, a table in a notebook, and files."""

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar


class Result:
    """Base of the results of commands, which are dataclasses. The methods import what they need when they are called."""

    COMMAND: ClassVar[str]
    """The subcommand whose result it is."""

    def __init_subclass__(cls, command: str, **options: Any) -> None:
        """Record the subcommand of a class of results."""
        super().__init_subclass__(**options)
        cls.COMMAND = command

    def frame(self) -> Any:
        """A DataFrame of pandas with the rows that the command writes as csv."""
        return import_module("dlcli.engines.frame").frame(self)

    def _repr_html_(self) -> str:
        """The table that the command draws on a terminal, for notebooks."""
        found: str = import_module("dlcli.api.results").html_table(self)
        return found

    def save(self, path: str | Path) -> None:
        """Write the result to disk.

        Rows, of `predict` and `dedupe`, go to a file, as with `output`. Any other result goes to a folder: result.json and
        result.csv hold what the command prints in these formats, and result.html the table. Pictures, networks and the
        record of the run need more than a result holds: `output` writes them during the run.

        Args:
            path: The file (.csv, .tsv, .jsonl, .parquet, or .gz of them), or the folder, which is made if it is not there.

        Raises:
            UsageError: If the ending of a file of rows is not one of these.
            OSError: If it cannot be written.
        """
        import_module("dlcli.api.results").save(self, Path(path))
