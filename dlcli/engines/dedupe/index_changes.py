"""What an index has to do with a run before rows are compared: its settings, its column, and rows that the run takes out."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.core.text.columns import find_columns, row_keys
from dlcli.core.text.index_dir import COLUMN, StoredIndex, settings_of
from dlcli.core.text.index_removal import remove_rows
from dlcli.core.text.table_input import check_tables, open_table
from dlcli.core.text.vectors.devices import describe_encoding
from dlcli.engines.dedupe.candidates import min_cosine
from dlcli.engines.dedupe.scores import effective_threshold
from dlcli.engines.dedupe.stages import TextColumn
from dlcli.specs.dedupe import STRICT, DedupeConfig
from dlcli.specs.option import declared
from dlcli.specs.table_options import table_format
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.suggest import did_you_mean
from dlcli.support.tables import Table


class RemovedRows(NamedTuple):
    """An index without the rows that a run takes out.

    Attributes:
        stored: What remains.
        respelled: Which of its texts are spelled otherwise than before, (n,).
        removed: For the name of each table that lost rows with text, how many it lost and how many are left.
    """

    stored: StoredIndex
    respelled: NDArray[np.bool_]
    removed: dict[str, tuple[int, int]]


def index_settings(config: DedupeConfig, column: str) -> dict[str, Any]:
    """What the scores and groups of an index depend on, and the text column."""
    model = ""
    if config.model is not None:
        from dlcli.core.pairs.saved import load_scorer  # here, since most runs do not need it

        model = load_scorer(config.model).sha256[:12]
    return {
        COLUMN: column,
        "vectors": config.vectors,
        "candidates": min_cosine(config),
        "threshold": effective_threshold(config),
        "model": model,
        "mask": ",".join(config.mask) or None,
        "within": config.within,
        "fold": config.fold if config.fold == STRICT else None,
        "key": config.key,
        **describe_encoding(config.vectors, config.device),
    }


def given_settings(config: DedupeConfig) -> dict[str, Any]:
    """The settings of an index that the configuration does not leave at their defaults, but for its columns."""
    given = {item.name for item, _ in declared(config) if getattr(config, item.name) != item.default} - {COLUMN, "key"}
    return {name: value for name, value in index_settings(config, "").items() if name in given}


def preferred_column(config: DedupeConfig) -> str | None:
    """The text column that an index was made with, if the run does not name one."""
    found = settings_of(config.index).get(COLUMN) if config.index and config.column is None else None
    return None if found is None else str(found)


def check_column(folder: Path, made: Mapping[str, Any], text_column: TextColumn, report: Reporter) -> None:
    """Check that the column of a table is the one that the index was made with.

    Args:
        folder: Directory of the index.
        made: Its settings.
        text_column: The table.
        report: Receives a warning if the table does not have the column of the index.

    Raises:
        InputError: If it has that column, but another one is compared.
    """
    was, now, table = made.get(COLUMN), text_column.name, text_column.table
    if was is None or was.strip().casefold() == now.strip().casefold():
        return
    try:
        find_columns(table, was)
    except InputError:
        report.warn(f"{table.name}: its column '{now}' is compared with column '{was}' of {folder}")
        return
    message = f"`index={folder}` was made with column {was}, which {table.name} has, not {now}"
    raise InputError(message, hint=f"use `column={was}`, or name another folder to start a new index")


def table_digest(text_column: TextColumn) -> str:
    """The SHA-256 of all that an index stores of a table."""
    parts: list[Any] = [text_column.texts, text_column.blocks, text_column.keys]
    known = parts[0] if parts[1] is None and parts[2] is None else parts
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def same_table(stored: StoredIndex, text_column: TextColumn) -> int | None:
    """Which table of an index a table is: the one of the same name and contents; None if it is none of them."""
    digest = table_digest(text_column)
    return next((k for k in _named(stored, text_column.table.name) if stored.tables[k][1] == digest), None)


def _named(stored: StoredIndex, name: str) -> list[int]:
    """The tables of an index with this name, which is a path: `a.csv` and `./a.csv` are one."""
    wanted = os.path.normpath(name)
    return [k for k, (other, _) in enumerate(stored.tables) if os.path.normpath(other) == wanted]


def equal_table_note(folder: Path, stored: StoredIndex, text_column: TextColumn) -> list[str]:
    """A remark if an index has the contents of a table under another name, as of a copy, or of two days without a change."""
    digest, name = table_digest(text_column), text_column.table.name
    other = next((other for other, made in stored.tables if made == digest and other != name), None)
    return [] if other is None else [f"{folder}: {name} has the same contents as {other}, so its rows are duplicates of those"]


def read_keys_table(config: DedupeConfig, text_column: TextColumn | None = None, *, save: bool = True) -> Table | None:
    """Read the table of `forget_keys`, as the table at hand is read.

    Args:
        config: Options.
        text_column: The table at hand, None if there is none.
        save: Whether to write the bad rows of both, if that is asked for.

    Returns:
        The table, None without that option.

    Raises:
        InputError: If it cannot be read.
    """
    if config.forget_keys is None:
        return None
    table = open_table(config.forget_keys, table_format(config), alone=False)
    both = [*([] if text_column is None else [text_column.table]), table]
    check_tables(table_format(config), *both)
    if save:
        save_bad_rows(config.skip_bad, *both)
    return table


def remove_outdated(
    config: DedupeConfig, stored: StoredIndex, text_column: TextColumn | None, keys_table: Table | None
) -> RemovedRows:
    """Remove what is to be forgotten, and what the table at hand replaces.

    Args:
        config: Options.
        stored: The index.
        text_column: The table at hand, None if there is none. One that is in the index already does not replace its own rows.
        keys_table: The table of `forget_keys`, if there is one.

    Returns:
        What remains.

    Raises:
        InputError: If there is no table of a given name, or the index does not know where its rows come from.
    """
    tables = {k for name in config.forget for k in _tables_called(stored, name, config)}
    gone = _having(stored, _keys_to_forget(config, stored, keys_table))
    if text_column is not None:
        same = same_table(stored, text_column)
        if config.replace:
            tables |= set(_named(stored, text_column.table.name)) - {same}
        gone |= _having(stored, text_column.keys or []) & (stored.listed.table != (-1 if same is None else same))
    gone |= np.isin(stored.listed.table, list(tables))
    if (tables or gone.any()) and stored.unlisted.any():
        message = f"`index={config.index}` was made by an earlier version, which did not store where its rows come from"
        raise InputError(message, hint="make it again from its tables, in another folder")
    remaining, respelled = remove_rows(stored, gone, tables)
    return RemovedRows(remaining, respelled, _counted(stored, gone, tables))


def _having(stored: StoredIndex, keys: list[str]) -> NDArray[np.bool_]:
    """Which rows of an index have one of these keys, (rows,)."""
    wanted = set(keys) if stored.listed.keys else set()
    return np.array([key in wanted for key in stored.listed.keys], bool) if wanted else np.zeros(len(stored.listed), bool)


def _counted(stored: StoredIndex, gone: NDArray[np.bool_], tables: set[int]) -> dict[str, tuple[int, int]]:
    before, out = (np.bincount(rows, minlength=len(stored.tables)) for rows in (stored.listed.table, stored.listed.table[gone]))
    found: dict[str, tuple[int, int]] = {}
    for k in sorted(tables | set(np.flatnonzero(out).tolist())):
        name = stored.tables[k][0]
        removed, left = found.get(name, (0, 0))
        found[name] = (removed + int(out[k]), left + int(before[k] - out[k]))
    return found


def _tables_called(stored: StoredIndex, name: str, config: DedupeConfig) -> list[int]:
    found = _named(stored, name)
    if not found:
        names = list(dict.fromkeys(other for other, _ in stored.tables))
        shown = ", ".join(f"'{other}'" for other in names[-10:])
        has = f"it has {shown}" + (f" and {len(names) - 10} more" if len(names) > 10 else "") if names else "it is empty"
        hint = did_you_mean(name, names, "give the name that was typed when the table was added")
        raise InputError(f"`forget`: {config.index} has no table '{name}'; {has}", hint=hint)
    return found


def _keys_to_forget(config: DedupeConfig, stored: StoredIndex, table: Table | None) -> list[str]:
    if table is None:
        return []
    key = config.key or stored.settings.get("key")
    if key is None:
        hint = "an index has keys if it is made with `key=COLUMN`"
        raise InputError(f"`forget_keys`: {config.index} was made without keys of rows", hint=hint)
    return row_keys(table, str(key), unique=False)


def removal_notes(folder: Path, changes: RemovedRows) -> list[str]:
    """A remark for each table of which rows were removed."""
    return [f"{folder}: {count(rows, 'row')} of {name} removed" for name, (rows, _) in changes.removed.items()]


def as_stored(config: DedupeConfig, made: Mapping[str, Any]) -> DedupeConfig:
    """The configuration with the settings of an index, for a run that adds nothing."""
    vectors, threshold, fold = made["vectors"], made["threshold"], made.get("fold") or "text"
    return replace(config, vectors=vectors, threshold=threshold, precision=None, fold=fold)
