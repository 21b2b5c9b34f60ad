"""The option `index`: compare a table with all earlier ones, and add it to the stored index."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlcli.core.text.clusters import Groups, group_in_order
from dlcli.core.text.index_dir import StoredIndex, read_index, write_index
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.neighbours import Pairs
from dlcli.core.text.vectors import make_vectors, vectors_depend_on
from dlcli.core.text.vectors.devices import device_use
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.engines.dedupe.against import MergedTexts, find_new_candidates, merge_texts
from dlcli.engines.dedupe.candidates import Candidates, min_cosine
from dlcli.engines.dedupe.index_changes import (
    check_column,
    equal_table_note,
    index_settings,
    read_keys_table,
    removal_notes,
    remove_outdated,
    same_table,
    table_digest,
)
from dlcli.engines.dedupe.index_groups import (
    Membership,
    extend_index,
    find_membership,
    index_order,
    score_all,
    with_rows,
)
from dlcli.engines.dedupe.scores import effective_threshold
from dlcli.engines.dedupe.stages import DedupeState, EarlierTexts, RowAssignments, TextColumn, assign_rows, distinct_texts
from dlcli.specs.dedupe import DedupeConfig
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
    with locked_index(folder):
        return _update_index(config, folder, text_column, scorer, report)


@contextmanager
def locked_index(folder: Path) -> Iterator[None]:
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
    settings = index_settings(config, text_column.name)
    stored = read_index(folder, settings)
    check_column(folder, stored.settings, text_column, report)
    changes = remove_outdated(config, stored, text_column, read_keys_table(config, text_column))
    stored = changes.stored
    tables, this = _register_table(stored, text_column)
    merged = merge_texts(stored.keys, stored.texts, distinct_texts(config, text_column), len(text_column.texts))
    # If the table is in the index already, rows are numbered as in the table, so that a rerun gives the same result.
    places = stored.listed.places(by_spelling=config.keep_rule != "first")
    own = places.table == this
    merged.texts.row[merged.old[own]] = places.row[own]
    vectors = _vectors(config, stored, merged)
    new = find_new_candidates(config, merged, vectors, min_cosine(config), report)
    scored = score_all(scorer, stored, merged, new.pairs, changes.respelled)
    duplicates = scored.duplicates(effective_threshold(config))
    order = index_order(config.keep_rule, places, merged, duplicates.by_probability())
    groups = group_in_order(order, duplicates.by_probability())
    membership, log = find_membership(stored, places, tables, this, merged, groups)
    if not membership.known or changes.removed:
        listed = stored.listed.renumber(merged.old)
        listed = listed if membership.known else with_rows(listed, this, merged, text_column)
        events = [{**event, "table": text_column.table.name} for event in log]
        kept = vectors if vectors_depend_on(config.vectors) == "text" else np.empty((0, 0), np.float32)
        write_index(folder, extend_index(merged, listed, kept, scored, membership, events))
    notes = [*_precision_note(config, folder, stored), *removal_notes(folder, changes), *_notes(folder, membership, log)]
    notes += [] if membership.known else equal_table_note(folder, stored, text_column)
    for note in notes:
        report.note(note)
    text_column = replace(text_column, texts=[*text_column.texts, *stored.texts], notes=(*text_column.notes, *notes))
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


class _Tables(NamedTuple):
    """Name and SHA-256 of the texts of each table, and the index of the table at hand among them."""

    tables: list[tuple[str, str]]
    this: int


def _register_table(stored: StoredIndex, text_column: TextColumn) -> _Tables:
    """Find the table among those of the index, or append it."""
    known = same_table(stored, text_column)
    if known is not None:
        return _Tables(stored.tables, known)
    return _Tables([*stored.tables, (text_column.table.name, table_digest(text_column))], len(stored.tables))


def _earlier(start: int, shown: Groups, assignments: RowAssignments, membership: Membership) -> EarlierTexts:
    rows = membership.rows - np.bincount(assignments.text, minlength=len(membership.rows))
    return EarlierTexts(
        start=start,
        row=membership.places.row,
        table=[membership.tables[k][0] for k in membership.places.table.tolist()],
        rows=np.bincount(shown.canonical, weights=rows, minlength=len(rows)).astype(np.int64),
        ids={k: membership.ids[place] for k, place in enumerate(membership.group.tolist())},
    )


def _prefer_earlier(merged: MergedTexts, groups: Groups, membership: Membership, scorer: Scorer) -> Groups:
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


def _vectors(config: DedupeConfig, stored: StoredIndex, merged: MergedTexts) -> Matrix:
    """Vectors of all texts: stored ones are reused unless they depend on the other texts, as weights of TF-IDF do."""
    keys = merged.texts.keys
    if vectors_depend_on(config.vectors) != "text" or not stored.keys:
        return make_vectors(config.vectors, keys, config.device)
    if not merged.new.any():
        return stored.vectors
    places = np.flatnonzero(merged.new)
    made = make_vectors(config.vectors, [keys[k] for k in places.tolist()], config.device)
    every = np.empty((len(keys), made.shape[1]), np.float32)
    every[merged.old], every[places] = stored.vectors, made
    return every


def _notes(folder: Path, membership: Membership, log: list[dict[str, str]]) -> list[str]:
    if membership.known:
        name = membership.tables[membership.this][0]
        return [f"{folder}: has {name} with these contents already, so nothing is added"]
    return [f"{folder}: group {event['group']} {event['event']} into {event['into']}" for event in log]


def _precision_note(config: DedupeConfig, folder: Path, stored: StoredIndex) -> list[str]:
    """A remark if the index does not say in which precision a network has computed its vectors."""
    if not stored.keys or device_use(config.vectors) != "vectors" or "dtype" in stored.settings:
        return []
    return [
        f"{folder}: does not record the precision of its vectors; if it was bfloat16, cosines with them may be off by 0.003"
    ]
