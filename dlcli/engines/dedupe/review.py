"""Pairs to label by hand: the most uncertain ones as a table (`label`), or all on one page (`review`)."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.review.page import MAX_PAIRS, ReviewPage
from dlcli.core.text.review.uncertainty import most_uncertain
from dlcli.core.text.scoring.explanation import explain
from dlcli.engines.dedupe.scores import ScoredPairs, effective_threshold
from dlcli.engines.dedupe.stages import TextColumn
from dlcli.specs.dedupe import LABEL_COLUMNS, DedupeConfig
from dlcli.support.atomic import write_text
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table

_DIGITS = 4


def make_review(config: DedupeConfig, text_column: TextColumn, texts: Distinct, pairs: ScoredPairs) -> ReviewPage:
    """Collect the pairs for labelling, which are those from half the threshold on.

    Args:
        config: Gives the threshold and the `keep_rule`.
        text_column: The table.
        texts: Its distinct texts.
        pairs: The scored pairs.

    Returns:
        The content of the page. Its texts are in the order of `keep_rule`, from which the page groups them again when the
        threshold is moved.
    """
    threshold = effective_threshold(config)
    lowest = math.floor(threshold * 50) / 100
    pairs = pairs.duplicates(lowest)
    rule = config.keep_rule.partition(":")[0]
    order = np.arange(len(texts)) if rule == "central" else canonical_order(rule, texts, pairs.by_probability())
    rank = np.argsort(order)
    ends = np.sort([rank[pairs.pairs.first], rank[pairs.pairs.second]], axis=0)
    return ReviewPage(
        source=text_column.table.name,
        column=text_column.name,
        texts=[texts.texts[k] for k in order],
        rows=(texts.row[order] + 1).tolist(),
        copies=np.bincount(texts.of_row[texts.of_row >= 0], minlength=len(texts))[order].tolist(),
        first=ends[0],
        second=ends[1],
        probability=pairs.probability,
        threshold=threshold,
        lowest=lowest,
        central=rule == "central",
        masked=bool(config.mask),
    )


def label_table(table: Table, review: ReviewPage, wanted: int) -> Table:
    """The `wanted` pairs nearest to the threshold, nearest first, in the columns that `dlcli train` reads for pairs.

    The column of labels is empty, to be filled in; the score is the probability that the two texts are duplicates.
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
