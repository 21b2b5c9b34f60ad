"""Which rows of a table ask the same: the engine of `dlcli dedupe`."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.stats import wilson
from dlcli.core.text.clusters import Stars, stars
from dlcli.core.text.columns import find_column, texts_of
from dlcli.core.text.neighbours import Pairs, recall_on_sample, similar_pairs
from dlcli.core.text.table_input import SAMPLE, open_table
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors import check_vectors, make_vectors
from dlcli.engines._dedupe_tables import Verdicts, added_names, grouped_table, largest_groups, pairs_table, without_added
from dlcli.specs.dedupe import DedupeConfig, DedupeResult
from dlcli.specs.estimates import Estimate
from dlcli.support.report import SILENT, Report
from dlcli.support.tables import Table


def run(config: DedupeConfig, *, report: Report = SILENT) -> DedupeResult:
    """Group the rows of a table whose texts are equal after folding, or have vectors with a cosine at or above the threshold.

    Groups are stars: every member is at or above the threshold to its canonical row, the first of the group. Rows without
    text are passed through, in no group. Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    check_vectors(config.vectors)
    sheet = _open(config, report)
    keys, text_of, first_row = _distinct(fold_all(sheet.texts))
    pairs, recall = _join(config, keys, report)
    verdicts = _judge(keys, text_of, first_row, stars(len(keys), pairs))
    duplicates = len(verdicts.rows) - int(verdicts.canonical.sum())
    return DedupeResult(
        source=sheet.table.name,
        column=sheet.table.columns[sheet.place],
        vectors=config.vectors,
        threshold=config.threshold,
        rows_read=len(sheet.table.rows),
        rows_empty=len(sheet.table.rows) - len(verdicts.rows),
        rows_exact=int((~verdicts.canonical & verdicts.equal).sum()),
        rows_near=int((~verdicts.canonical & ~verdicts.equal).sum()),
        rows_canonical=int(verdicts.canonical.sum()),
        groups=len(np.unique(verdicts.centre[~verdicts.canonical])),
        pairs=len(pairs) + len(verdicts.rows) - len(keys),
        recall=recall,
        largest=largest_groups(sheet.texts, verdicts),
        seconds=time.perf_counter() - started,
        table=_table(config, sheet, verdicts, pairs, first_row),
        notes=sheet.notes,
        failed=_failed(config, sheet.table, duplicates),
    )


def plan(config: DedupeConfig) -> list[str]:
    """What `run` would do, a line each; reads the table, but compares nothing."""
    check_vectors(config.vectors)
    sheet = _open(config, SILENT)
    if config.pairs:
        what = "the pairs"
    else:
        what = f"{'the canonical rows' if config.keep else 'all rows'} with the columns {', '.join(added_names(config.prefix))}"
    return [
        f"read {len(sheet.table.rows):,} rows from {sheet.table.name}",
        f"compare column '{sheet.table.columns[sheet.place]}' by {config.vectors} at {config.threshold:g}",
        f"write {what} to {config.output or 'standard output'}",
    ]


@dataclass(frozen=True)
class _Sheet:
    """A table, the place of its text column, and its texts, "" where there is none."""

    table: Table
    place: int
    texts: list[str]
    notes: tuple[str, ...]


def _open(config: DedupeConfig, report: Report) -> _Sheet:
    source = SAMPLE if config.table is None else config.table
    table = open_table(source, encoding=config.encoding, delimiter=config.delimiter, max_cell=config.max_cell)
    notes = []
    if not config.pairs:
        table, again = without_added(table, config.prefix)
        if again:
            notes.append(
                f"{table.name}: the columns of an earlier run are computed anew: {', '.join(added_names(config.prefix))}"
            )
    place = find_column(table, config.column)
    if config.column is None:
        notes.append(f"comparing column '{table.columns[place]}' of {table.name}; another: --column NAME")
    texts, nulls = texts_of(table, place)
    for note in notes:
        report.note(note)
    if nulls:
        where = f"{table.name}: row {nulls[0] + 1}, column '{table.columns[place]}'"
        report.warn(f"{where}: null; rows like this pass through, in no group ({len(nulls):,} in all)")
    return _Sheet(table, place, texts, tuple(notes))


def _distinct(keys: list[str]) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys in row order, for each row the number of its key (-1: no text), for each key its first row."""
    numbers: dict[str, int] = {}
    text_of = np.array([numbers.setdefault(key, len(numbers)) if key else -1 for key in keys], dtype=np.int64)
    rows = np.flatnonzero(text_of >= 0)
    first = np.unique(text_of[rows], return_index=True)[1]
    return list(numbers), text_of, rows[first]


def _join(config: DedupeConfig, keys: list[str], report: Report) -> tuple[Pairs, Estimate | None]:
    if len(keys) < 2:
        nobody = np.empty(0, np.int32)
        return Pairs(nobody, nobody, np.empty(0, np.float32)), None
    vectors = make_vectors(config.vectors, keys)
    with report.task("comparing", total=len(keys)) as task:
        pairs = similar_pairs(vectors, config.threshold, advance=task.advance)
    found, wanted = recall_on_sample(vectors, pairs, config.threshold)
    return pairs, wilson(found, wanted) if wanted else None


def _judge(keys: list[str], text_of: NDArray[np.int64], first_row: NDArray[np.int64], groups: Stars) -> Verdicts:
    rows = np.flatnonzero(text_of >= 0)
    text = text_of[rows]
    centre = groups.centre[text]
    return Verdicts(
        rows=rows,
        first=first_row[text],
        centre=first_row[centre],
        score=groups.score[text],
        equal=centre == text,
        canonical=first_row[centre] == rows,
        keys={int(first_row[k]): keys[k] for k in np.unique(groups.centre)},
    )


def _table(config: DedupeConfig, sheet: _Sheet, verdicts: Verdicts, pairs: Pairs, first_row: NDArray[np.int64]) -> Table:
    if config.pairs:
        return pairs_table(sheet.table, sheet.place, verdicts, pairs, first_row)
    return grouped_table(sheet.table, verdicts, prefix=config.prefix, keep=config.keep)


def _failed(config: DedupeConfig, table: Table, duplicates: int) -> str:
    if not (config.fail_on_duplicates and duplicates):
        return ""
    are = "is a duplicate" if duplicates == 1 else "are duplicates"
    return f"{duplicates:,} of the {len(table.rows):,} rows of {table.name} {are}"
