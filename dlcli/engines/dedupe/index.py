"""`dlcli dedupe --index`: the rows of a table meet those of all tables before it, and are added to them."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.clusters import Groups, group_in_order
from dlcli.core.text.group_ids import carry_group_ids
from dlcli.core.text.index_dir import StoredIndex, read_index, write_index
from dlcli.core.text.keep_rule import canonical_order
from dlcli.core.text.scoring.features import Floats
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.text.vectors import make_vectors, vectors_depend_on
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.engines.dedupe.against import MergedTexts, Numbers, find_new_candidates, merge_texts
from dlcli.engines.dedupe.stages import (
    Candidates,
    DedupeState,
    EarlierTexts,
    RowAssignments,
    ScoredPairs,
    TextColumn,
    assign_rows,
    distinct_texts,
    effective_threshold,
    min_cosine,
    score_pairs,
)
from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.lock import locked
from dlcli.support.reporter import Reporter


def dedupe_with_index(
    config: DedupeConfig, folder: Path, text_column: TextColumn, scorer: Scorer, report: Reporter
) -> DedupeState:
    """Group the rows of a table with those of the index in `folder`, and add them to it.

    A row in a group with earlier rows is a duplicate of one of these, so that what stays is new. Raises the kinds of
    `dlcli.support.errors`; LockedError if another run has the index. After an error the index is as it was.
    """
    with _held(folder):
        return _through(config, folder, text_column, scorer, report)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the lock of the index; a folder made for it that stays empty is removed."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"`index`: {folder} is not a folder", hint="name a new folder, or an existing index")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def _through(config: DedupeConfig, folder: Path, text_column: TextColumn, scorer: Scorer, report: Reporter) -> DedupeState:
    """Meet what is in the index, and add the table to it, unless it is there already."""
    if vectors_depend_on(config.vectors) == "run":
        message = f"`index`: vectors of {config.vectors} cannot be compared with those of another run"
        raise UsageError(message, hint="use `vectors=tfidf`, or any other kind")
    stored = read_index(folder, _settings(config))
    tables, this = _tables(stored, text_column)
    merged = merge_texts(stored.keys, stored.texts, distinct_texts(config, text_column), len(text_column.texts))
    own = stored.source == this
    merged.texts.row[merged.old[own]] = stored.row[own]
    vectors = _vectors(config, stored, merged)
    new = find_new_candidates(config, merged, vectors, report)
    found = _all_scored(scorer, stored, merged, new.pairs)
    duplicates = found.duplicates(effective_threshold(config))
    stars = group_in_order(_order(config.keep_rule, stored, merged, duplicates.by_probability()), duplicates.by_probability())
    origin, log = _origin(stored, tables, this, merged, stars)
    if not origin.known:
        said = [{**event, "table": text_column.table.name} for event in log]
        write_index(folder, _grown(config, merged, vectors, found, origin, said))
    text_column = _with_notes(replace(text_column, texts=text_column.texts + stored.texts), folder, origin, log, report)
    shown = _represented(merged, stars, origin, scorer)
    assignments = assign_rows(merged.texts, shown)
    candidates = Candidates(found.pairs, new.min_cosine, new.recall)
    return DedupeState(
        text_column,
        merged.texts,
        candidates,
        found,
        assignments,
        _earlier(len(text_column.table.rows), shown, assignments, origin),
    )


@dataclass(frozen=True)
class _Origin:
    """What the index says of each text of the merged once the table, number `this`, is in it."""

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
        """Whether the table was in the index before."""
        return len(self.tables) == len(self.stored.tables)


def _tables(stored: StoredIndex, text_column: TextColumn) -> tuple[list[tuple[str, str]], int]:
    """The tables with this one among them, and its place: a table of the same texts is the same table."""
    digest = hashlib.sha256(json.dumps(text_column.texts).encode()).hexdigest()
    places = [place for place, table in enumerate(stored.tables) if table[1] == digest]
    return (stored.tables, places[0]) if places else ([*stored.tables, (text_column.table.name, digest)], len(stored.tables))


def _origin(
    stored: StoredIndex, tables: list[tuple[str, str]], this: int, merged: MergedTexts, stars: Groups
) -> tuple[_Origin, list[dict[str, str]]]:
    """Where each text is from and how its group is called, and what became of groups."""
    ids, group, log = carry_group_ids(stored.ids, _spread(merged, stored.group, -1), stars.canonical, merged.texts.keys)
    source, row, rows = _spread(merged, stored.source, this), merged.texts.row.copy(), _spread(merged, stored.rows, 0)
    row[merged.old] = stored.row
    if len(tables) > len(stored.tables):
        rows = rows + np.bincount(merged.texts.of_row[merged.texts.of_row >= 0], minlength=len(rows))
    return _Origin(stored, tables, this, source, row, rows, ids, group), log


def _grown(
    config: DedupeConfig, merged: MergedTexts, vectors: Matrix, found: ScoredPairs, origin: _Origin, log: list[dict[str, str]]
) -> StoredIndex:
    """The index with the table in it."""
    return StoredIndex(
        settings=_settings(config),
        tables=origin.tables,
        log=origin.stored.log + log,
        keys=merged.texts.keys,
        texts=merged.texts.texts,
        ids=origin.ids,
        source=origin.source,
        row=origin.row,
        rows=origin.rows,
        group=origin.group,
        pairs=np.stack([found.pairs.first, found.pairs.second], axis=1),
        cosine=found.pairs.score,
        probability=found.probability,
        vectors=vectors if vectors_depend_on(config.vectors) == "text" else np.empty((0, 0), np.float32),
    )


def _earlier(start: int, shown: Groups, assignments: RowAssignments, origin: _Origin) -> EarlierTexts:
    rows = origin.rows - np.bincount(assignments.text, minlength=len(origin.rows))
    return EarlierTexts(
        start=start,
        row=origin.stored.row,
        table=[origin.tables[k][0] for k in origin.stored.source.tolist()],
        rows=np.bincount(shown.canonical, weights=rows, minlength=len(rows)).astype(np.int64),
        ids={k: origin.ids[place] for k, place in enumerate(origin.group.tolist())},
    )


def _represented(merged: MergedTexts, stars: Groups, origin: _Origin, scorer: Scorer) -> Groups:
    """A group with texts of tables before this one is shown by its canonical text if that is such, else by the oldest."""
    centre, score = stars.canonical.copy(), stars.score.copy()
    before = origin.source < origin.this
    oldest = np.lexsort((origin.row, origin.source))
    oldest = oldest[before[oldest]]
    groups, first = np.unique(stars.canonical[oldest], return_index=True)
    stands = np.full(len(centre), -1, np.int64)
    stands[groups] = oldest[first]
    moved = np.flatnonzero(~before[stars.canonical] & (stands[stars.canonical] >= 0))
    centre[moved] = stands[stars.canonical[moved]]
    nobody = Pairs(moved.astype(np.int32), centre[moved], np.zeros(len(moved), np.float32))
    score[moved] = score_pairs(scorer, merged.texts, nobody).probability
    return Groups(centre, score)


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
    }


def _vectors(config: DedupeConfig, stored: StoredIndex, merged: MergedTexts) -> Matrix:
    """Of all texts: the stored ones where they last, all anew where they depend on what else is there."""
    keys = merged.texts.keys
    if vectors_depend_on(config.vectors) != "text" or not stored.keys:
        return make_vectors(config.vectors, keys)
    if not merged.new.any():
        return stored.vectors
    places = np.flatnonzero(merged.new)
    made = make_vectors(config.vectors, [keys[k] for k in places])
    every = np.empty((len(keys), made.shape[1]), np.float32)
    every[merged.old], every[places] = stored.vectors, made
    return every


def _all_scored(scorer: Scorer, stored: StoredIndex, merged: MergedTexts, pairs: Pairs) -> ScoredPairs:
    """New pairs are scored, stored ones are as they were, but for those of a text that is now written in another way."""
    ends = merged.old[stored.pairs]
    written = np.zeros(len(merged.texts), bool)
    written[merged.old] = [merged.texts.texts[k] != text for k, text in zip(merged.old.tolist(), stored.texts, strict=True)]
    before = Pairs(ends[:, 0].astype(np.int32), ends[:, 1].astype(np.int32), stored.cosine)
    probability: Floats = stored.probability.copy()
    again = np.flatnonzero(written[before.first] | written[before.second])
    changed = Pairs(before.first[again], before.second[again], before.score[again])
    probability[again] = score_pairs(scorer, merged.texts, changed).probability
    first, second = np.append(before.first, pairs.first), np.append(before.second, pairs.second)
    order = np.lexsort((second, first))
    score = np.append(before.score, pairs.score)[order]
    probability = np.append(probability, score_pairs(scorer, merged.texts, pairs).probability)[order]
    return ScoredPairs(Pairs(first[order], second[order], score), probability)


def _order(rule: str, stored: StoredIndex, merged: MergedTexts, pairs: Pairs) -> Numbers:
    if rule != "first":
        return canonical_order(rule, merged.texts, pairs)
    row, source = merged.texts.row.copy(), np.full(len(merged.texts), len(stored.tables), np.int64)
    row[merged.old], source[merged.old] = stored.row, stored.source
    return np.lexsort((row, source))


def _spread(merged: MergedTexts, values: NDArray[Any], others: int) -> NDArray[Any]:
    """Values of the earlier texts for all texts, `others` for the rest."""
    found = np.full(len(merged.texts), others, values.dtype)
    found[merged.old] = values
    return found


def _with_notes(
    text_column: TextColumn, folder: Path, origin: _Origin, log: list[dict[str, str]], report: Reporter
) -> TextColumn:
    notes = [f"{folder}: group {event['group']} {event['event']} into {event['into']}" for event in log]
    if origin.known:
        notes = [f"{folder}: has this table already, so nothing is added"]
    for note in notes:
        report.note(note)
    return replace(text_column, notes=(*text_column.notes, *notes))
