"""The page on which pairs are labelled (`review`)."""

from pathlib import Path

import numpy as np

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.review.page import MAX_PAIRS, ReviewPage
from dlcli.core.text.scoring.scored_pairs import ScoredPairs
from dlcli.engines.dedupe.scores import effective_threshold, lowest_labelled
from dlcli.engines.dedupe.stages import TextColumn
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.atomic import write_text
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter


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
    lowest = lowest_labelled(threshold)
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


def write_review(path: Path, review: ReviewPage, report: Reporter) -> None:
    """Write the page to `path`, whole or not at all."""
    write_text(path, review.html())
    if len(review.first) > MAX_PAIRS:
        report.note(f"{path}: {count(len(review.first), 'pair')} are too many for a page; it shows the most uncertain ones")
