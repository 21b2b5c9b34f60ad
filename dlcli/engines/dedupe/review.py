"""What `dlcli dedupe` gives a person to judge: the pairs most in doubt as a table, or all of them on one page."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.review.page import MAX_PAIRS, ReviewPage
from dlcli.core.text.review.uncertainty import most_uncertain
from dlcli.core.text.scoring.explanation import explain
from dlcli.engines.dedupe.stages import ScoredPairs, TextColumn, effective_threshold
from dlcli.specs.dedupe import LABEL_COLUMNS, DedupeConfig
from dlcli.support.atomic import write_text
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table

_DIGITS = 4


def make_review(config: DedupeConfig, sheet: TextColumn, texts: Distinct, pairs: ScoredPairs) -> ReviewPage:
    """What is to be judged of scored pairs: those from half the threshold on, texts in the order of --keep-rule."""
    threshold = effective_threshold(config)
    lowest = math.floor(threshold * 50) / 100
    pairs = pairs.duplicates(lowest)
    rule = config.keep_rule.partition(":")[0]
    order = np.arange(len(texts)) if rule == "central" else canonical_order(rule, texts, pairs.by_probability())
    rank = np.argsort(order)
    ends = np.sort([rank[pairs.pairs.first], rank[pairs.pairs.second]], axis=0)
    return ReviewPage(
        source=sheet.table.name,
        column=sheet.table.columns[sheet.place],
        texts=[texts.texts[k] for k in order],
        rows=(texts.row[order] + 1).tolist(),
        copies=np.bincount(texts.of_row[texts.of_row >= 0], minlength=len(texts))[order].tolist(),
        first=ends[0],
        second=ends[1],
        probability=pairs.probability,
        threshold=threshold,
        lowest=lowest,
        central=rule == "central",
    )


def label_table(table: Table, review: ReviewPage, wanted: int) -> Table:
    """The `wanted` pairs nearest the threshold, nearest first, in the columns that `dlcli train --task pairs` reads.

    The labels are empty, for a person to fill in; the score says how probable it is that the two ask the same.
    """
    rows = [_line(review, int(pair)) for pair in most_uncertain(review.probability, review.threshold, wanted)]
    return replace(table, columns=list(LABEL_COLUMNS), rows=rows, origin=None, origin_columns=0, origin_rows=())


def _line(review: ReviewPage, pair: int) -> list[str | float | None]:
    a, b = review.texts[review.first[pair]], review.texts[review.second[pair]]
    return [a, b, None, round(float(review.probability[pair]), _DIGITS), explain(a, b)]


def write_review(path: Path, review: ReviewPage, report: Reporter) -> None:
    """Write the page to `path`, whole or not at all."""
    write_text(path, review.html())
    if len(review.first) > MAX_PAIRS:
        report.note(f"{path}: {count(len(review.first), 'pair')} are too many for a page; it shows the most uncertain ones")
