"""The option `against`: compare a table with another one. Merging texts with earlier ones, which `index` uses as well."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.clusters import group_in_order
from dlcli.core.text.distinct import Distinct, spelling_rank
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.budget import check_pairs_fit, pairs_from
from dlcli.core.text.search.cross_join import cross_pairs, uses_full_join
from dlcli.core.text.search.neighbours import Pairs, finds_all
from dlcli.core.text.vectors import make_vectors
from dlcli.core.text.vectors.devices import search_device
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.engines.dedupe.candidates import Candidates, chance, choose_level, estimate_recall
from dlcli.engines.dedupe.other_table import read_other_table
from dlcli.engines.dedupe.scores import corrected, effective_threshold, resolve_in_table, table_words
from dlcli.engines.dedupe.stages import DedupeState, EarlierTexts, TextColumn, assign_rows, distinct_texts
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.reporter import Reporter

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class MergedTexts:
    """Distinct texts of earlier tables and of the table at hand.

    Attributes:
        texts: The distinct texts of both.
        old: Index in `texts` of each earlier text.
    """

    texts: Distinct
    old: Numbers

    @property
    def new(self) -> NDArray[np.bool_]:
        """Whether each text is in no earlier table, (texts,)."""
        found = np.ones(len(self.texts), bool)
        found[self.old] = False
        return found


def merge_texts(ids: Sequence[str], texts: Sequence[str], fresh: Distinct, start: int) -> MergedTexts:
    """Merge the texts of earlier tables with those of the table.

    Args:
        ids: Ids of the earlier texts, sorted.
        texts: Their spelling.
        fresh: Distinct texts of the table. If both have an id, the spelling that `distinct` would choose is kept.
        start: Row number of the first earlier text: the number of rows of the table.

    Returns:
        The texts of both.
    """
    written = dict(zip(ids, texts, strict=True))
    for found, text in zip(fresh.ids, fresh.texts, strict=True):
        written[found] = min(written.get(found, text), text, key=spelling_rank)
    every = sorted(written)
    numbers = {found: number for number, found in enumerate(every)}
    old, new = (np.array([numbers[found] for found in part], np.int64) for part in (ids, fresh.ids))
    row, priority = np.zeros(len(every), np.int64), np.zeros(len(every), np.int64)
    row[new], priority[new] = fresh.row, fresh.priority
    row[old] = start + np.arange(len(old))
    of_row = np.append(new, -1)[fresh.of_row]
    return MergedTexts(Distinct(every, [written[found] for found in every], of_row, row, priority, fresh.strict), old)


def find_new_candidates(
    config: DedupeConfig, merged: MergedTexts, vectors: Matrix, level: float, report: Reporter
) -> Candidates:
    """Find the candidate pairs with at least one new text.

    If few texts are new, they are compared with all others by brute force. Recall is then not measured: it is 1, as that of
    other exact searches.

    Args:
        config: Gives the vectors and the device.
        merged: The texts.
        vectors: Their vectors.
        level: Smallest cosine; 0 takes all pairs.
        report: Shows progress.

    Returns:
        The pairs, with the recall on new texts if it was measured.
    """
    block = merged.texts.block
    if not level:
        pairs = pairs_from(vectors, level, block=block)
        kept = merged.new[pairs.first] | merged.new[pairs.second]
        return Candidates(Pairs(pairs.first[kept], pairs.second[kept], pairs.score[kept]), level, None)
    if uses_full_join(vectors, merged.new):
        check_pairs_fit(vectors, level, block=block)
    with report.task("comparing, texts", total=int(merged.new.sum())) as task:
        device = search_device(config.vectors, config.device)
        pairs = cross_pairs(vectors, merged.new, level, block=block, device=device, advance=task.advance)
    if not uses_full_join(vectors, merged.new) or finds_all(vectors, block, device):
        return Candidates(pairs, level, None)
    return Candidates(pairs, level, estimate_recall(vectors, pairs, level, np.flatnonzero(merged.new), block))


def dedupe_against(config: DedupeConfig, table: str, text_column: TextColumn, scorer: Scorer, report: Reporter) -> DedupeState:
    """Group the rows of a table with those of another one; raises the kinds of `dlcli.support.errors`.

    Every text of the other table is canonical. The table's own texts join these where they can, and each other otherwise, so
    that its canonical rows are those that the other table does not have.

    Args:
        config: Options.
        table: The other table.
        text_column: The table to group.
        scorer: Scorer of pairs.
        report: Shows progress.

    Returns:
        What was found; the texts of the other table are its `earlier` texts.
    """
    other, their = read_other_table(config, table, text_column, report)
    merged = merge_texts(their.ids, their.texts, distinct_texts(config, text_column), len(text_column.texts))
    vectors = make_vectors(config.vectors, merged.texts.keys, config.device)
    candidates = find_new_candidates(config, merged, vectors, choose_level(config, vectors, merged.texts.block).cosine, report)
    words = table_words(config, merged.texts)
    found = score_pairs(scorer, merged.texts, candidates.pairs, words, chance(config, vectors))
    rows = np.zeros(len(merged.texts), np.int64)
    rows[merged.old] = their.rows
    scored = corrected(config, found, rows + merged.texts.rows, ~merged.new)
    config = resolve_in_table(config, scored).config
    duplicates = scored.duplicates(effective_threshold(config))
    order = canonical_order(config.keep_rule.partition(":")[0], merged.texts, duplicates.by_probability())
    # Earlier texts come first: what comes before all its duplicates becomes canonical.
    order = np.concatenate([merged.old, order[merged.new[order]]])
    groups = group_in_order(order, duplicates.by_probability())
    earlier = EarlierTexts(len(text_column.texts), their.row, len(their) * [other], rows, {})
    extended = replace(text_column, texts=[*text_column.texts, *their.texts])
    return DedupeState(extended, merged.texts, candidates, scored, assign_rows(merged.texts, groups), earlier)
