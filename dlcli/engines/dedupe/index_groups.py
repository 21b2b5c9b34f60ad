"""The groups of the texts of an index, and what it stores of them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.clusters import Groups, group_in_order
from dlcli.core.text.distinct import distinct
from dlcli.core.text.group_ids import carry_group_ids
from dlcli.core.text.index_dir import StoredIndex
from dlcli.core.text.index_rows import IndexedRows, TextPlaces
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.scored_pairs import ScoredPairs, score_pairs
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.neighbours import Pairs
from dlcli.engines.dedupe.against import MergedTexts, Numbers, merge_texts
from dlcli.engines.dedupe.index_changes import RemovedRows
from dlcli.engines.dedupe.scores import effective_threshold
from dlcli.engines.dedupe.stages import TextColumn
from dlcli.specs.dedupe import STRICT, DedupeConfig


@dataclass(frozen=True)
class Membership:
    """Where each of the n merged texts occurs and which group it is in, once the table is in the index.

    Attributes:
        stored: The index before.
        places: Where its texts are.
        tables: Name and SHA-256 of each table, with the one at hand.
        this: Index of that one in `tables`.
        source: Index in `tables` of the table in which a text occurred first, (n,).
        row: Its row there, from 0, (n,).
        rows: In how many rows of all tables it occurs, (n,).
        ids: Ids of groups, the oldest first.
        group: Index in `ids` of its group's id, (n,).
    """

    stored: StoredIndex
    places: TextPlaces
    tables: list[tuple[str, str]]
    this: int
    source: NDArray[np.int32]
    row: Numbers
    rows: Numbers
    ids: list[str]
    group: NDArray[np.int32]

    @property
    def known(self) -> bool:
        """Whether the table is in the index already."""
        return len(self.tables) == len(self.stored.tables)


class MembershipLog(NamedTuple):
    """The membership of texts, and one record per merge or split of groups (see `carry_group_ids`)."""

    membership: Membership
    log: list[dict[str, str]]


class RegroupedIndex(NamedTuple):
    """An index to write, and the merges and splits of its groups (see `carry_group_ids`)."""

    stored: StoredIndex
    log: list[dict[str, str]]


def regroup(config: DedupeConfig, changes: RemovedRows, scorer: Scorer) -> RegroupedIndex:
    """Group what remains of an index again, by the pairs that it stores."""
    stored, none = changes.stored, np.empty(0, np.int32)
    merged = merge_texts(stored.keys, stored.texts, distinct([], strict=config.fold == STRICT), 0)
    no_pairs = Pairs(none, none, np.empty(0, np.float32))
    scored = score_all(scorer, stored, merged, no_pairs, changes.respelled)
    places = stored.listed.places(by_spelling=config.keep_rule != "first")
    pairs = scored.duplicates(effective_threshold(config)).by_probability()
    groups = group_in_order(index_order(config.keep_rule, places, merged, pairs), pairs)
    membership, log = find_membership(stored, places, stored.tables, 0, merged, groups)
    events = [{**event, "table": ""} for event in log]
    return RegroupedIndex(extend_index(merged, stored.listed, stored.vectors, scored, membership, events), log)


def find_membership(
    stored: StoredIndex, places: TextPlaces, tables: list[tuple[str, str]], this: int, merged: MergedTexts, groups: Groups
) -> MembershipLog:
    """Add the table to the sources of texts, and carry the ids of groups over to the groups found now.

    Args:
        stored: The index before.
        places: Where its texts are.
        tables: Its tables, with the one at hand.
        this: Index of that one in `tables`.
        merged: The texts of the index and of the table.
        groups: Their groups.

    Returns:
        The membership, and what happened to groups.
    """
    ids, group, log = carry_group_ids(stored.ids, _scatter(merged, stored.group, -1), groups.canonical, merged.texts.ids)
    source, row, rows = _scatter(merged, places.table, this), merged.texts.row.copy(), _scatter(merged, stored.rows, 0)
    row[merged.old] = places.row
    if len(tables) > len(stored.tables):
        rows = rows + np.bincount(merged.texts.of_row[merged.texts.of_row >= 0], minlength=len(rows))
    return MembershipLog(Membership(stored, places, tables, this, source, row, rows, ids, group), log)


def with_rows(listed: IndexedRows, this: int, merged: MergedTexts, text_column: TextColumn) -> IndexedRows:
    """Append the rows of a table that have text.

    Args:
        listed: The rows of the index.
        this: Number of the table.
        merged: The texts of both.
        text_column: The table.

    Returns:
        All rows.
    """
    number = np.flatnonzero(merged.texts.of_row >= 0)
    written = [text_column.texts[row] for row in number.tolist()]
    keys = [] if text_column.keys is None else [text_column.keys[row] for row in number.tolist()]
    return listed.append(this, number, merged.texts.of_row[number], written, keys)


def extend_index(
    merged: MergedTexts,
    listed: IndexedRows,
    vectors: NDArray[np.float32],
    scored: ScoredPairs,
    membership: Membership,
    log: list[dict[str, str]],
) -> StoredIndex:
    """The index as it is stored.

    Args:
        merged: Its texts.
        listed: Its rows.
        vectors: Vectors of the texts, or an empty matrix.
        scored: All candidates.
        membership: Its tables and groups; the settings are those of the index before.
        log: New merges and splits of groups.

    Returns:
        The index.
    """
    return StoredIndex(
        # Not those of this run, which may know more of its vectors than an old index does of those in it.
        settings=membership.stored.settings,
        tables=membership.tables,
        log=membership.stored.log + log,
        keys=list(merged.texts.ids),
        ids=membership.ids,
        listed=listed,
        unlisted=_scatter(merged, membership.stored.unlisted, 0),
        group=membership.group,
        pairs=np.stack([scored.pairs.first, scored.pairs.second], axis=1),
        cosine=scored.pairs.score,
        probability=scored.probability,
        vectors=vectors,
    )


def score_all(
    scorer: Scorer, stored: StoredIndex, merged: MergedTexts, pairs: Pairs, changed: NDArray[np.bool_]
) -> ScoredPairs:
    """Score new pairs; stored pairs keep their score, except those of a text whose spelling has changed.

    Args:
        scorer: Scorer of pairs.
        stored: The index.
        merged: Its texts and those of the table at hand, whose spellings may take the place of stored ones.
        pairs: The new pairs.
        changed: Which stored texts are spelled otherwise since rows were removed, (stored texts,).

    Returns:
        All pairs, in order.
    """
    ends = merged.old[stored.pairs]
    respelled = np.zeros(len(merged.texts), bool)
    now = [merged.texts.texts[k] != text for k, text in zip(merged.old.tolist(), stored.texts, strict=True)]
    respelled[merged.old] = changed | np.array(now, bool)
    before = Pairs(ends[:, 0].astype(np.int32), ends[:, 1].astype(np.int32), stored.cosine)
    probability: Floats = stored.probability.copy()
    again = np.flatnonzero(respelled[before.first] | respelled[before.second])
    rescored = Pairs(before.first[again], before.second[again], before.score[again])
    probability[again] = score_pairs(scorer, merged.texts, rescored).probability
    first, second = np.append(before.first, pairs.first), np.append(before.second, pairs.second)
    order = np.lexsort((second, first))
    score = np.append(before.score, pairs.score)[order]
    probability = np.append(probability, score_pairs(scorer, merged.texts, pairs).probability)[order]
    return ScoredPairs(Pairs(first[order], second[order], score), probability)


def index_order(rule: str, places: TextPlaces, merged: MergedTexts, pairs: Pairs) -> Numbers:
    """The order in which texts become canonical.

    Args:
        rule: The keep rule; "first" goes by table, then by row.
        places: Where the texts of the index are.
        merged: The texts of the index and of the table.
        pairs: Their duplicates.

    Returns:
        The numbers of all texts, (texts,).
    """
    if rule != "first":
        return canonical_order(rule, merged.texts, pairs)
    row, source = merged.texts.row.copy(), np.full(len(merged.texts), np.iinfo(np.int64).max)
    row[merged.old], source[merged.old] = places.row, places.table
    return np.lexsort((row, source))


def _scatter(merged: MergedTexts, values: NDArray[Any], default: int) -> NDArray[Any]:
    """Spread values of the earlier texts over all texts; the others get `default`."""
    scattered = np.full(len(merged.texts), default, values.dtype)
    scattered[merged.old] = values
    return scattered
