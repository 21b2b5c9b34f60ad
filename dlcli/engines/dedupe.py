"""Which rows of a table ask the same: the engine of `dlcli dedupe`."""

import time
from dataclasses import replace

import numpy as np

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.vectors import check_vectors
from dlcli.engines._dedupe_review import label_table, review_of, write_review
from dlcli.engines._dedupe_stages import (
    Candidates,
    Scored,
    Sheet,
    Verdicts,
    added_names,
    candidates_of,
    distinct_of,
    level_of,
    open_sheet,
    scored,
    scorer_of,
    stars_of,
    threshold_of,
    verdicts_of,
)
from dlcli.engines._dedupe_tables import grouped_table, largest_groups, pairs_table
from dlcli.specs.dedupe import DedupeConfig, DedupeResult
from dlcli.support.report import SILENT, Report
from dlcli.support.tables import Table


def run(config: DedupeConfig, *, report: Report = SILENT) -> DedupeResult:
    """Group the rows of a table whose texts are equal after folding, or are duplicates with a probability from --threshold on.

    Pairs whose vectors have a cosine from --candidates on are scored. Groups are stars: every member is at or above the
    threshold to its canonical text, whatever the order of the rows. Rows without text are passed through, in no group.
    Raises the kinds of `dlcli.support.errors`.
    """
    started = time.perf_counter()
    check_vectors(config.vectors)
    scorer = scorer_of(config)
    sheet = open_sheet(config, report)
    texts = distinct_of(config, sheet)
    candidates = candidates_of(config, texts, report)
    judged = scored(scorer, texts, candidates.pairs)
    duplicates = judged.duplicates(threshold_of(config))
    verdicts = verdicts_of(texts, stars_of(config, texts, duplicates))
    if config.review is not None:
        write_review(config.review, review_of(config, sheet, texts, judged), report)
    table = _table(config, sheet, texts, verdicts, judged)
    result = _result(config, sheet, candidates, duplicates, verdicts, table, started)
    if result.giants:
        report.warn(_giants(config, result))
    return result


def plan(config: DedupeConfig) -> list[str]:
    """What `run` would do, a line each; reads the table, but compares nothing."""
    check_vectors(config.vectors)
    scorer_of(config)
    sheet = open_sheet(config, SILENT)
    if config.label is not None:
        what = f"the {config.label:,} pairs nearest that"
    elif config.pairs:
        what = "the pairs"
    else:
        what = f"{'the canonical rows' if config.keep else 'all rows'} with the columns {', '.join(added_names(config.prefix))}"
    call = f"call a pair duplicate from a probability of {threshold_of(config):g} on, by {config.model or 'the built-in score'}"
    return [
        f"read {len(sheet.table.rows):,} rows from {sheet.table.name}",
        f"score pairs of column '{sheet.table.columns[sheet.place]}' from a {config.vectors} cosine of {level_of(config):g} on",
        f"{call}, and group by the rule {config.keep_rule}",
        f"write {what} to {config.output or 'standard output'}",
        *([f"write a page to judge pairs on to {config.review}"] if config.review else []),
    ]


def _table(config: DedupeConfig, sheet: Sheet, texts: Distinct, verdicts: Verdicts, judged: Scored) -> Table:
    if config.label is not None:
        table = label_table(sheet.table, review_of(config, sheet, texts, judged), config.label)
    elif config.pairs:
        table = pairs_table(sheet, texts, judged.duplicates(threshold_of(config)))
    else:
        table = grouped_table(sheet, texts, verdicts, prefix=config.prefix, keep=config.keep)
    return replace(table, excel_safe=config.excel_safe)


def _result(
    config: DedupeConfig,
    sheet: Sheet,
    candidates: Candidates,
    duplicates: Scored,
    verdicts: Verdicts,
    table: Table,
    started: float,
) -> DedupeResult:
    twice, near = ~verdicts.canonical, verdicts.text != verdicts.centre
    sizes = np.bincount(verdicts.centre)
    return DedupeResult(
        source=sheet.table.name,
        column=sheet.table.columns[sheet.place],
        vectors=config.vectors,
        model=str(config.model or ""),
        candidates_from=candidates.level,
        threshold=threshold_of(config),
        keep_rule=config.keep_rule,
        rows_read=len(sheet.table.rows),
        rows_empty=len(sheet.table.rows) - len(verdicts.rows),
        rows_exact=int((twice & ~near).sum()),
        rows_near=int(near.sum()),
        rows_canonical=int(verdicts.canonical.sum()),
        groups=int((sizes > 1).sum()),
        giants=int((sizes > config.max_group).sum()),
        candidates=len(candidates.pairs),
        pairs=len(duplicates.pairs) + len(verdicts.rows) - len(np.unique(verdicts.text)),
        recall=candidates.recall,
        largest=largest_groups(sheet, verdicts),
        seconds=time.perf_counter() - started,
        table=table,
        notes=sheet.notes,
        failed=_failed(config, sheet.table, int(twice.sum())),
    )


def _giants(config: DedupeConfig, result: DedupeResult) -> str:
    first = result.largest[0]
    have = "group has" if result.giants == 1 else "groups have"
    where = f"{first.size:,} rows with row {first.canonical_row}, '{first.canonical_text[:40]}'"
    return f"{result.source}: {result.giants:,} {have} more than {config.max_group:,} rows (--max-group); the largest: {where}"


def _failed(config: DedupeConfig, table: Table, duplicates: int) -> str:
    if not (config.fail_on_duplicates and duplicates):
        return ""
    are = "is a duplicate" if duplicates == 1 else "are duplicates"
    return f"{duplicates:,} of the {len(table.rows):,} rows of {table.name} {are}"
