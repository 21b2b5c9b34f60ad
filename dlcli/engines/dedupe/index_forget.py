"""Remove rows from an index without adding a table: the options `forget` and `forget_keys` alone."""

import time
from pathlib import Path
from typing import Any

from dlcli.core.text.index_dir import read_index, write_index
from dlcli.engines.dedupe.index import locked_index
from dlcli.engines.dedupe.index_changes import (
    RemovedRows,
    as_stored,
    given_settings,
    read_keys_table,
    removal_notes,
    remove_outdated,
)
from dlcli.engines.dedupe.index_groups import regroup
from dlcli.engines.dedupe.scores import choose_scorer
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.dedupe_index import FORGET_COLUMNS, ForgetResult
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table


def forget_rows(config: DedupeConfig, folder: Path, report: Reporter) -> ForgetResult:
    """Remove the rows of tables or keys from the index in `folder`; raises the kinds of `dlcli.support.errors`."""
    started = time.perf_counter()
    with locked_index(folder):
        stored = read_index(folder, given_settings(config))
        changes = remove_outdated(config, stored, None, read_keys_table(config))
        notes = removal_notes(folder, changes)
        if changes.removed:
            _check_model(config, folder, changes)
            config = as_stored(config, stored.settings)
            regrouped = regroup(config, changes, choose_scorer(config))
            write_index(folder, regrouped.stored)
            notes += [f"{folder}: group {event['group']} {event['event']} into {event['into']}" for event in regrouped.log]
    for note in notes:
        report.note(note)
    rows: list[list[Any]] = [[name, *counts] for name, counts in changes.removed.items()]
    return ForgetResult(
        index=str(folder),
        rows_removed=sum(removed for removed, _ in changes.removed.values()),
        rows_left=len(changes.stored.listed) + int(changes.stored.unlisted.sum()),
        seconds=time.perf_counter() - started,
        table=Table(list(FORGET_COLUMNS), rows, name=str(folder)),
        notes=tuple(notes),
    )


def plan_forget(config: DedupeConfig, folder: Path) -> list[str]:
    """Describe what `forget_rows` would do; reads the index, but changes nothing."""
    changes = remove_outdated(config, read_index(folder, given_settings(config)), None, read_keys_table(config, save=False))
    return [
        f"remove {count(removed, 'row')} of {name} from {folder}, {left:,} are left"
        for name, (removed, left) in changes.removed.items()
    ]


def _check_model(config: DedupeConfig, folder: Path, changes: RemovedRows) -> None:
    """Texts whose spelling has changed are scored again, which takes the scorer of the index."""
    if changes.respelled.any() and changes.stored.settings.get("model") and config.model is None:
        raise UsageError(f"`index={folder}` was made with a model, which is needed here", hint="pass `model` with its folder")
