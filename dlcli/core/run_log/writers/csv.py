"""A table with a row for each run and epoch: log.csv in the output folder, or `csv:FILE`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from dlcli.core.run_log.base import Group, Record
from dlcli.support.atomic import write_text
from dlcli.support.errors import InputError, UsageError

PACKAGE, EXTRA, SEPARATE = "", "", False
NAME = "log.csv"
_KEY = ("run", "arm", "seed", "epoch")


def check(target: str) -> None:
    """Raise UsageError for a FILE that another kind of file has taken."""
    if target and Path(target).suffix.lower() != ".csv":
        raise UsageError(f"{target} does not end in .csv", hint="`log=csv:FILE.csv`, or `log=csv` for one in the output folder")


def open_writer(target: str, group: Group) -> "CsvWriter":
    """Begin the table, or continue that of a run that is resumed; raises UsageError if the file is of another run."""
    if not target and group.folder is None:
        raise UsageError("`log=csv` needs the output folder", hint="`output=DIR`, or `log=csv:FILE.csv`")
    path = Path(target) if target else (group.folder or Path()) / NAME
    if target and path.exists() and not group.resumed:
        raise UsageError(f"`log=csv`: {path} exists", hint="remove it, or choose another one: `log=csv:FILE.csv`")
    return CsvWriter(path, group)


class CsvWriter:
    """Rows are added as they come; once a run is final, and at the end, all are in the order of runs and epochs."""

    def __init__(self, path: Path, group: Group) -> None:
        self._path, self._group = path, group
        self._columns = (*_KEY, *group.figures)
        self._rows: dict[tuple[str, int], dict[str, object]] = {}
        self._begun: set[str] = set()
        if path.exists() and group.resumed:
            self._read()
        self._write_all()

    def write(self, record: Record) -> None:
        """See `Writer`."""
        if record.run not in self._begun:
            self._begin(record.run)
        settings, key = self._group.runs[record.run], (record.run, record.epoch)
        named = {"run": record.run, "arm": settings.get("arm", ""), "seed": settings.get("seed", ""), "epoch": record.epoch}
        self._rows[key] = {**self._rows.get(key, named), **record.figures}
        if record.final:
            self._write_all()
        else:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._text([self._rows[key]]))

    def close(self, *, failed: bool) -> None:
        """See `Writer`."""
        self._write_all()

    def _begin(self, run: str) -> None:
        """Drop what an earlier part of the run wrote: it is reported again, or trained again."""
        self._begun.add(run)
        known = len(self._rows)
        self._rows = {key: row for key, row in self._rows.items() if key[0] != run}
        if len(self._rows) < known:
            self._write_all()

    def _read(self) -> None:
        with self._path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != self._columns:
                raise InputError(
                    f"{self._path}: not the log of this run", hint="remove it, or choose another `log=csv:FILE.csv`"
                )
            # A line that was cut when the process was killed has no epoch, or too few cells; its run is logged again.
            whole = [row for row in reader if None not in row.values() and str(row["epoch"]).isdecimal()]
        self._rows = {(str(row["run"]), int(row["epoch"])): dict(row) for row in whole}

    def _write_all(self) -> None:
        order = list(self._group.runs)
        place = {name: at for at, name in enumerate(order)}
        keys = sorted(self._rows, key=lambda key: (place.get(key[0], len(order)), key[0], key[1]))
        write_text(self._path, ",".join(self._columns) + "\n" + self._text([self._rows[key] for key in keys]))

    def _text(self, rows: Sequence[dict[str, object]]) -> str:
        stream = io.StringIO(newline="")
        csv.DictWriter(stream, self._columns, lineterminator="\n").writerows(rows)
        return stream.getvalue()
