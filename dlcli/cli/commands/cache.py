"""`dlcli cache` at the shell."""

import re

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.cache import CacheConfig, CacheResult

_MEGABYTE = 1e6
_LONGEST = 40
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,}")


def _table(result: CacheResult) -> TerminalTable:
    rows = []
    for row in result.records():
        name = row["file"].removeprefix(f"{result.folder}/").removeprefix(f"{row['kind']}/")
        rows.append((row["kind"], _short(name), _size(row["bytes"]), f"{row['days']:.1f}", row["status"]))
    notes = ("Names are shortened; `--format csv` prints whole paths.",) if any("…" in row[1] for row in rows) else ()
    columns = ("kind", "file", "MB", "days unused", "status")
    return TerminalTable("", columns, tuple(rows), notes=notes, answer=_answer(result))


def _short(name: str) -> str:
    """The name with the first digits of a hash alone, and the middle of a long one omitted, so that a row fits 80 columns."""
    name = _HASH.sub(r"\1…", name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 17]}…{name[-16:]}"


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
