"""Result of `dlcli dedupe` when rows are only removed from an index."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from dlcli.specs import table_options
from dlcli.specs.pairs import check_applicable
from dlcli.specs.result import Result
from dlcli.support.tables import Table

_FORGET_OPTIONS = ("index", "key", "forget", "forget_keys", "keep_rule", "device", "excel_safe", "output")
"""The options that apply where rows are only removed from an index, besides those of the table of `forget_keys`."""
_AS_MADE = ("model", "vectors", "candidates", "threshold", "mask", "within", "fold")
"""Options that may be given then, and have to be those that the index was made with."""
FORGET_COLUMNS = ("table", "rows_removed", "rows_left")


def check_forget(config: Any) -> None:
    """Raise UsageError for an option that has no effect where rows are only removed from an index."""
    if config.only_forgets:
        of_table = table_options.FIELDS if config.forget_keys is not None else ()
        check_applicable(config, (*_FORGET_OPTIONS, *_AS_MADE, *of_table), "`forget` and `forget_keys` without TABLE")


@dataclass(frozen=True, kw_only=True)
class ForgetResult(Result, command="dedupe"):
    """Result of `dlcli dedupe` with `forget` or `forget_keys` and no table; only rows that have text are counted.

    Attributes:
        index: The index.
        rows_removed: Number of rows that were removed.
        rows_left: Number of rows that it still has.
        seconds: Wall-clock time.
        table: A row for each table of which rows were removed.
        notes: Remarks on the result.
        failed: Why a requested check failed, "" if none did.
    """

    KIND: ClassVar[str] = "rows"

    index: str
    rows_removed: int
    rows_left: int
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows of the table."""
        return [dict(zip(self.table.columns, row, strict=True)) for row in self.table.rows]
