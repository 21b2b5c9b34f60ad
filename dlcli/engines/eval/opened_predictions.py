"""Open a table of predictions as the options of `dlcli eval` say."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.groups import group_numbers
from dlcli.core.evaluation import slices
from dlcli.core.evaluation.prediction_files import PredictionTable, read_predictions
from dlcli.core.evaluation.predictions import Predictions, with_group
from dlcli.core.text.table_input import open_table
from dlcli.specs.eval import EvalConfig
from dlcli.specs.table_options import table_format
from dlcli.support.errors import InputError, UsageError
from dlcli.support.tables import Table

_GROUPS = "a group is of examples that belong together, as those of a patient"


@dataclass(frozen=True)
class OpenedPredictions:
    """A table of predictions, cut to `limit` rows.

    Attributes:
        table: What its columns hold.
        predictions: The predictions, with the groups of `group`.
        sha256: That of its file, "" for standard input.
        source: The table itself, without its rows.
    """

    table: PredictionTable
    predictions: Predictions
    sha256: str
    source: Table

    @property
    def ids(self) -> list[str] | None:
        """What the table calls each example; None if nothing, or two the same."""
        return None if self.table.ids is None else [str(one) for one in self.table.ids]


def open_predictions(config: EvalConfig, source: str, *, alone: bool = True, other: bool = False) -> OpenedPredictions:
    """Read a table of predictions as the options of a configuration say.

    Args:
        config: Its options of tables, `columns`, `limit` and `group`.
        source: Path of the table; - is standard input.
        alone: As for `open_table`.
        other: Whether it is the other one of two tables, whose columns may be called otherwise than the user names them.

    Raises:
        InputError: If it holds no predictions.
    """
    read = open_table(source, table_format(config), alone=alone)
    if config.limit is not None:
        read = read.take(range(min(config.limit, len(read.rows))))
    named = config.columns if any("=" in name for name in config.columns) else ()
    if config.columns and not named:
        raise UsageError("`columns` of predictions are named as ROLE=NAME", hint="such as truth=actual,label=predicted")
    here, said = _there(named, read) if other else (named, ())
    table = _read(read, here)
    table = replace(table, notes=(*said, *table.notes))
    group = None
    if config.group is not None:
        group = group_numbers(find_metadata(table, config.group, data=read.name, option="group"))
    digest = "" if source == "-" else hashlib.sha256(Path(source).read_bytes()).hexdigest()
    return OpenedPredictions(table, with_group(table.predictions, group), digest, replace(read, rows=[]))


def _there(named: Sequence[str], table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of ROLE=NAME whose column the table has, and a note on the others, which are found as if none were named."""
    parts = [one.partition("=") for one in named]
    missing = [f"'{name}' ({role})" for role, _, name in parts if role != "classes" and name not in table.columns]
    kept = tuple(one for one, (role, _, name) in zip(named, parts, strict=True) if role == "classes" or name in table.columns)
    return kept, (f"No column is called {' or '.join(missing)}: what holds it is found by itself.",) if missing else ()


def _read(read: Table, named: Sequence[str]) -> PredictionTable:
    """Read the predictions; a file that is one object, as pandas writes by default, is named so if they are not found."""
    try:
        return read_predictions(read, named)
    except InputError as error:
        if read.kind == "jsonl" and len(read.rows) == 1 and read.warnings:
            raise InputError(error.message, hint="; ".join(read.warnings)) from None
        raise


def find_metadata(table: PredictionTable, name: str, *, data: str, option: str) -> NDArray[np.object_]:
    """Find a column of metadata beside the predictions.

    Args:
        table: The table.
        name: The name of the column.
        data: What the table is called.
        option: Which option names the column.

    Returns:
        Its values, (n,).

    Raises:
        InputError: If there is none of that name, or it holds the predictions themselves.
    """
    if name not in table.metadata and name in table.used:
        hint = f"slices by the true labels are those by `{slices.CLASS}`" if option == "slices" else _GROUPS
        raise InputError(f"`{option}`: {data}: the column '{name}' holds {table.used[name]}, no metadata", hint=hint)
    found: NDArray[np.object_] = slices.find_column(name, table.metadata, data=data, option=option)
    return found
