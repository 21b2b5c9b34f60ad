"""The option `index`: compare a table with all earlier ones, and add it to the stored index."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.clusters import Groups, group_in_order
from dlcli.core.text.group_ids import carry_group_ids
from dlcli.core.text.index_dir import StoredIndex, read_index, write_index
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.text.vectors import make_vectors, vectors_depend_on
from dlcli.core.text.vectors.devices import describe_encoding, device_use
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.engines.dedupe.against import MergedTexts, Numbers, find_new_candidates, merge_texts
from dlcli.engines.dedupe.candidates import Candidates, min_cosine
from dlcli.engines.dedupe.scores import ScoredPairs, effective_threshold, score_pairs
from dlcli.engines.dedupe.stages import DedupeState, EarlierTexts, RowAssignments, TextColumn, assign_rows, distinct_texts
from dlcli.specs.dedupe import STRICT, DedupeConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.lock import locked
from dlcli.support.reporter import Reporter


def dedupe_with_index(
    config: DedupeConfig, folder: Path, text_column: TextColumn, scorer: Scorer, report: Reporter
) -> DedupeState:
    """Group the rows of a table with those of the index in `folder`, and add them to it.

    A row in a group with earlier rows is a duplicate of one of these, so that canonical rows are new. After an error the index
    is unchanged.

    Args:
        config: Options.
        folder: Directory of the index; created if it does not exist.
        text_column: The table to group and add.
        scorer: Scorer of pairs.
        report: Shows progress.

    Returns:
        What was found.

    Raises:
        LockedError: If another run uses the index.
        UsageError: If vectors of this kind cannot be compared with those of another run.
        InputError: If `folder` is not an index, or one of other settings.
    """
    # Held from reading to writing: of two runs at once the second would overwrite what the first has added.
    with _locked_index(folder):
        return _update_index(config, folder, text_column, scorer, report)


@contextmanager
def _locked_index(folder: Path) -> Iterator[None]:
    """Hold the lock of the index; a directory created for it is removed again if it stays empty."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"`index`: {folder} is not a folder", hint="name a new folder, or an existing index")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def _update_index(config: DedupeConfig, folder: Path, text_column: TextColumn, scorer: Scorer, report: Reporter) -> DedupeState:
    """Compare the table with the stored texts, and write the index with the table unless it is in there already."""
    if vectors_depend_on(config.vectors) == "run":
        message = f"`index`: vectors of {config.vectors} cannot be compared with those of another run"
        raise UsageError(message, hint="use `vectors=tfidf`, or any other kind")
    stored = read_index(folder, _settings(config))
    tables, this = _register_table(stored, text_column)
    merged = merge_texts(stored.keys, stored.texts, distinct_texts(config, text_column), len(text_column.texts))
    # If the table is in the index already, rows are numbered as in the table, so that a rerun gives the same result.
    own = stored.source == this
    merged.texts.row[merged.old[own]] = stored.row[own]
    vectors = _vectors(config, stored, merged)
    new = find_new_candidates(config, merged, vectors, min_cosine(config), report)
    scored = _score_all(scorer, stored, merged, new.pairs)
    duplicates = scored.duplicates(effective_threshold(config))
    order = _canonical_order(config.keep_rule, stored, merged, duplicates.by_probability())
    groups = group_in_order(order, duplicates.by_probability())
    membership, log = _membership(stored, tables, this, merged, groups)
    if not membership.known:
        events = [{**event, "table": text_column.table.name} for event in log]
        write_index(folder, _extend_index(config, merged, vectors, scored, membership, events))
    notes = [*_precision_note(config, folder, stored), *_notes(folder, membership, log)]
    for note in notes:
        report.note(note)
    text_column = replace(text_column, texts=text_column.texts + stored.texts, notes=(*text_column.notes, *notes))
    shown = _prefer_earlier(merged, groups, membership, scorer)
    assignments = assign_rows(merged.texts, shown)
    candidates = Candidates(scored.pairs, new.min_cosine, new.recall)
    return DedupeState(
        text_column,
        merged.texts,
        candidates,
        scored,
        assignments,
        _earlier(len(text_column.table.rows), shown, assignments, membership),
    )


@dataclass(frozen=True)
class _Membership:
    """Where each of the n merged texts occurs and which group it is in, once the table is in the index.

    Attributes:
        stored: The index before.
        tables: Name and SHA-256 of each table, with the one at hand.
        this: Index of that one in `tables`.
        source: Index in `tables` of the table in which a text occurred first, (n,).
        row: Its row there, from 0, (n,).
        rows: In how many rows of all tables it occurs, (n,).
        ids: Ids of groups, the oldest first.
        group: Index in `ids` of its group's id, (n,).
    """

    stored: StoredIndex
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


class _Tables(NamedTuple):
    """Name and SHA-256 of the texts of each table, and the index of the table at hand among them."""

    tables: list[tuple[str, str]]
    this: int


def _register_table(stored: StoredIndex, text_column: TextColumn) -> _Tables:
    """Find the table by the hash of its texts, or append it."""
    digest = hashlib.sha256(json.dumps(text_column.texts).encode()).hexdigest()
    known = [k for k, table in enumerate(stored.tables) if table[1] == digest]
    if known:
        return _Tables(stored.tables, known[0])
    return _Tables([*stored.tables, (text_column.table.name, digest)], len(stored.tables))


class _MembershipLog(NamedTuple):
    """The membership of texts, and one record per merge or split of groups (see `carry_group_ids`)."""

    membership: _Membership
    log: list[dict[str, str]]


def _membership(
    stored: StoredIndex, tables: list[tuple[str, str]], this: int, merged: MergedTexts, groups: Groups
) -> _MembershipLog:
    """Add the table to the sources of texts, and carry the ids of groups over to the groups found now."""
    ids, group, log = carry_group_ids(stored.ids, _scatter(merged, stored.group, -1), groups.canonical, merged.texts.ids)
    source, row, rows = _scatter(merged, stored.source, this), merged.texts.row.copy(), _scatter(merged, stored.rows, 0)
    row[merged.old] = stored.row
    if len(tables) > len(stored.tables):
        rows = rows + np.bincount(merged.texts.of_row[merged.texts.of_row >= 0], minlength=len(rows))
    return _MembershipLog(_Membership(stored, tables, this, source, row, rows, ids, group), log)


def _extend_index(
    config: DedupeConfig,
    merged: MergedTexts,
    vectors: Matrix,
    scored: ScoredPairs,
    membership: _Membership,
    log: list[dict[str, str]],
) -> StoredIndex:
    """The index with the table in it."""
    return StoredIndex(
        # Not those of this run, which may know more of its vectors than an old index does of those in it.
        settings=membership.stored.settings,
        tables=membership.tables,
        log=membership.stored.log + log,
        keys=merged.texts.ids,
        texts=merged.texts.texts,
        ids=membership.ids,
        source=membership.source,
        row=membership.row,
        rows=membership.rows,
        group=membership.group,
        pairs=np.stack([scored.pairs.first, scored.pairs.second], axis=1),
        cosine=scored.pairs.score,
        probability=scored.probability,
        vectors=vectors if vectors_depend_on(config.vectors) == "text" else np.empty((0, 0), np.float32),
    )


def _earlier(start: int, shown: Groups, assignments: RowAssignments, membership: _Membership) -> EarlierTexts:
    rows = membership.rows - np.bincount(assignments.text, minlength=len(membership.rows))
    return EarlierTexts(
        start=start,
        row=membership.stored.row,
        table=[membership.tables[k][0] for k in membership.stored.source.tolist()],
        rows=np.bincount(shown.canonical, weights=rows, minlength=len(rows)).astype(np.int64),
        ids={k: membership.ids[place] for k, place in enumerate(membership.group.tolist())},
    )


def _prefer_earlier(merged: MergedTexts, groups: Groups, membership: _Membership, scorer: Scorer) -> Groups:
    """Make the oldest text canonical in each group that has earlier texts but a new canonical one.

    The keep rule may choose a new text, and the index stores groups so. A row of the table at hand must nevertheless be
    reported as a duplicate of an earlier row, or rows that earlier tables have would be kept as new.
    """
    canonical, score = groups.canonical.copy(), groups.score.copy()
    before = membership.source < membership.this
    oldest = np.lexsort((membership.row, membership.source))
    oldest = oldest[before[oldest]]
    with_earlier, first = np.unique(groups.canonical[oldest], return_index=True)
    replacement = np.full(len(canonical), -1, np.int64)
    replacement[with_earlier] = oldest[first]
    moved = np.flatnonzero(~before[groups.canonical] & (replacement[groups.canonical] >= 0))
    canonical[moved] = replacement[groups.canonical[moved]]
    pairs = Pairs(moved.astype(np.int32), canonical[moved], np.zeros(len(moved), np.float32))
    score[moved] = score_pairs(scorer, merged.texts, pairs).probability
    return Groups(canonical, score)


def _settings(config: DedupeConfig) -> dict[str, Any]:
    model = ""
    if config.model is not None:
        from dlcli.core.pairs.saved import load_scorer  # here, since most runs do not need it

        model = load_scorer(config.model).sha256[:12]
    return {
        "vectors": config.vectors,
        "candidates": min_cosine(config),
        "threshold": effective_threshold(config),
        "model": model,
        "mask": ",".join(config.mask) or None,
        "within": config.within,
        "fold": config.fold if config.fold == STRICT else None,
        **describe_encoding(config.vectors, config.device),
    }


def _vectors(config: DedupeConfig, stored: StoredIndex, merged: MergedTexts) -> Matrix:
    """Vectors of all texts: stored ones are reused unless they depend on the other texts, as weights of TF-IDF do."""
    keys = merged.texts.keys
    if vectors_depend_on(config.vectors) != "text" or not stored.keys:
        return make_vectors(config.vectors, keys, config.device)
    if not merged.new.any():
        return stored.vectors
    places = np.flatnonzero(merged.new)
    made = make_vectors(config.vectors, [keys[k] for k in places], config.device)
    every = np.empty((len(keys), made.shape[1]), np.float32)
    every[merged.old], every[places] = stored.vectors, made
    return every


def _score_all(scorer: Scorer, stored: StoredIndex, merged: MergedTexts, pairs: Pairs) -> ScoredPairs:
    """Score new pairs; stored pairs keep their score, except those of a text whose spelling has changed."""
    ends = merged.old[stored.pairs]
    respelled = np.zeros(len(merged.texts), bool)
    respelled[merged.old] = [merged.texts.texts[k] != text for k, text in zip(merged.old.tolist(), stored.texts, strict=True)]
    before = Pairs(ends[:, 0].astype(np.int32), ends[:, 1].astype(np.int32), stored.cosine)
    probability: Floats = stored.probability.copy()
    again = np.flatnonzero(respelled[before.first] | respelled[before.second])
    changed = Pairs(before.first[again], before.second[again], before.score[again])
    probability[again] = score_pairs(scorer, merged.texts, changed).probability
    first, second = np.append(before.first, pairs.first), np.append(before.second, pairs.second)
    order = np.lexsort((second, first))
    score = np.append(before.score, pairs.score)[order]
    probability = np.append(probability, score_pairs(scorer, merged.texts, pairs).probability)[order]
    return ScoredPairs(Pairs(first[order], second[order], score), probability)


def _canonical_order(rule: str, stored: StoredIndex, merged: MergedTexts, pairs: Pairs) -> Numbers:
    if rule != "first":
        return canonical_order(rule, merged.texts, pairs)
    row, source = merged.texts.row.copy(), np.full(len(merged.texts), len(stored.tables), np.int64)
    row[merged.old], source[merged.old] = stored.row, stored.source
    return np.lexsort((row, source))


def _scatter(merged: MergedTexts, values: NDArray[Any], default: int) -> NDArray[Any]:
    """Spread values of the earlier texts over all texts; the others get `default`."""
    scattered = np.full(len(merged.texts), default, values.dtype)
    scattered[merged.old] = values
    return scattered


def _notes(folder: Path, membership: _Membership, log: list[dict[str, str]]) -> list[str]:
    if membership.known:
        return [f"{folder}: has this table already, so nothing is added"]
    return [f"{folder}: group {event['group']} {event['event']} into {event['into']}" for event in log]


def _precision_note(config: DedupeConfig, folder: Path, stored: StoredIndex) -> list[str]:
    """A remark if the index does not say in which precision a network has computed its vectors."""
    if not stored.keys or device_use(config.vectors) != "vectors" or "dtype" in stored.settings:
        return []
    return [
        f"{folder}: does not record the precision of its vectors; if it was bfloat16, cosines with them may be off by 0.003"
    ]
