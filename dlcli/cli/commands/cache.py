"""`dlcli cache` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.cache import CacheConfig, CacheResult

_MEGABYTE = 1e6


def _table(result: CacheResult) -> TerminalTable:
    rows = []
    for row in result.records():
        name = row["file"].removeprefix(f"{result.folder}/").removeprefix(f"{row['kind']}/")
        rows.append((row["kind"], name, _size(row["bytes"]), f"{row['days']:.1f}", row["status"]))
    return TerminalTable(
        f"Files in {result.folder}", ("kind", "file", "MB", "days unused", "status"), tuple(rows), answer=_answer(result)
    )


def _size(size: int) -> str:
    return f"{size / _MEGABYTE:,.1f}"


def _answer(result: CacheResult) -> str:
    removed = f", {_size(result.n_removed)} MB removed" if result.n_removed else ""
    return f"{_size(result.n_bytes)} MB in {result.folder}{removed}"


COMMAND = Command(
    name="cache",
    config=CacheConfig,
    engine="dlcli.engines.cache",
    examples=("dlcli cache", "dlcli cache prune --older 30d --dry-run", "dlcli cache prune --older 30d"),
    table=_table,
    answer=_answer,
    rows=True,
)
