"""`dlcli dedupe --against`: which rows of a table another one has too; and how a table's texts are put beside earlier ones."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.clusters import group_in_order
from dlcli.core.text.columns import find_column, texts_of
from dlcli.core.text.distinct import Distinct, distinct, spelling_rank
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.cross_join import cross_pairs, uses_full_join
from dlcli.core.text.table_input import open_table
from dlcli.core.text.vectors import make_vectors
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.engines.dedupe.stages import (
    Candidates,
    DedupeState,
    EarlierTexts,
    TextColumn,
    assign_rows,
    distinct_texts,
    effective_threshold,
    estimate_recall,
    min_cosine,
    score_pairs,
)
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.reporter import Reporter

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class MergedTexts:
    """The distinct texts of both sides; `old` and `fresh` are the places in it of the earlier ones and of the table's."""

    texts: Distinct
    old: Numbers
    fresh: Numbers

    @property
    def new(self) -> NDArray[np.bool_]:
        """Which texts no earlier table has."""
        found = np.ones(len(self.texts), bool)
        found[self.old] = False
        return found


def merge_texts(keys: list[str], texts: list[str], fresh: Distinct, start: int) -> MergedTexts:
    """Earlier texts count as rows from `start` on. Of two ways to write a key the one that `distinct` takes of both is kept."""
    written = dict(zip(keys, texts, strict=True))
    for key, text in zip(fresh.keys, fresh.texts, strict=True):
        written[key] = min(written.get(key, text), text, key=spelling_rank)
    every = sorted(written)
    numbers = {key: number for number, key in enumerate(every)}
    old, new = (np.array([numbers[key] for key in part], np.int64) for part in (keys, fresh.keys))
    row, priority = np.zeros(len(every), np.int64), np.zeros(len(every), np.int64)
    row[new], priority[new] = fresh.row, fresh.priority
    row[old] = start + np.arange(len(old))
    of_row = np.append(new, -1)[fresh.of_row]
    return MergedTexts(Distinct(every, [written[key] for key in every], of_row, row, priority), old, new)


def find_new_candidates(config: DedupeConfig, union: MergedTexts, vectors: Matrix, report: Reporter) -> Candidates:
    """The candidates of which a text is new.

    Where few texts are new, they are multiplied with all, so that nothing is lost; to measure that would cost as much again.
    """
    level = min_cosine(config)
    with report.task("comparing", total=int(union.new.sum())) as task:
        pairs = cross_pairs(vectors, union.new, level, advance=task.advance)
    if not uses_full_join(vectors, union.new):
        return Candidates(pairs, level, None)
    return Candidates(pairs, level, estimate_recall(vectors, pairs, level, np.flatnonzero(union.new)))


def dedupe_against(config: DedupeConfig, table: str, sheet: TextColumn, scorer: Scorer, report: Reporter) -> DedupeState:
    """Group the rows of a table with those of --against; raises the kinds of `dlcli.support.errors`.

    Every text of the other table stands for itself; the table's own join it where they can, and each other where not.
    A row in a group with rows of the other table is a duplicate of one of these, so that what stays is new.
    """
    other = open_table(table, encoding=config.encoding, delimiter=config.delimiter, max_cell=config.max_cell)
    place = find_column(other, sheet.table.columns[sheet.place] if config.column is None else config.column)
    their = distinct(texts_of(other, place)[0])
    union = merge_texts(their.keys, their.texts, distinct_texts(config, sheet), len(sheet.texts))
    candidates = find_new_candidates(config, union, make_vectors(config.vectors, union.texts.keys), report)
    judged = score_pairs(scorer, union.texts, candidates.pairs)
    duplicates = judged.duplicates(effective_threshold(config))
    order = canonical_order(config.keep_rule.partition(":")[0], union.texts, duplicates.by_probability())
    order = np.concatenate([union.old, order[union.new[order]]])
    stars = group_in_order(order, duplicates.by_probability())
    rows = np.zeros(len(union.texts), np.int64)
    rows[union.old] = np.bincount(their.of_row[their.of_row >= 0], minlength=len(their))
    earlier = EarlierTexts(len(sheet.texts), their.row, len(their) * [other.name], rows, {})
    extended = replace(sheet, texts=sheet.texts + their.texts)
    return DedupeState(extended, union.texts, candidates, judged, assign_rows(union.texts, stars), earlier)
