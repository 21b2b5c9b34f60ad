"""What the evaluations of networks that predict scores, masks or next steps have in common."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import Split
from dlcli.core.data.groups import group_numbers
from dlcli.core.evaluation.slices import find_column
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.specs.eval import EvalConfig
from dlcli.specs.gate import gate
from dlcli.support.errors import InputError, UsageError

ONLY_OF_CLASSES = (
    "diagnose",
    "human_error",
    "suspects",
    "leaks",
    "against",
    "abstain",
    "detect",
    "calibrate",
    "uncalibrated",
    "slices",
    "columns",
)
"""Options of `dlcli eval` for networks that predict classes."""


class _Metric(Protocol):
    """A figure by the name that `fail_under` takes."""

    @property
    def name(self) -> str: ...

    @property
    def estimate(self) -> Estimate | PointEstimate: ...


def check_metric(config: EvalConfig, metrics: Sequence[str]) -> None:
    """Raise UsageError if `fail_under` names none of `metrics`."""
    if config.fail_under is not None and config.fail_under[0] not in metrics:
        raise UsageError(f"`fail_under`: '{config.fail_under[0]}' is not one of {', '.join(metrics)}")


def group_column(config: EvalConfig, task: RunTask, split: Split) -> str | None:
    """The column by whose groups intervals are: `group`, or that by which the run was split, if the data have it."""
    return config.group or (task.group if task.group in split.metadata else None)


def groups_by(column: str | None, split: Split, source: str) -> NDArray[np.int64] | None:
    """The group of each example by a column of the metadata, as numbers from 0; None without a column.

    Args:
        column: Name of the column.
        split: The examples.
        source: Name of the data, for messages.

    Raises:
        UsageError: If there is no such column.
    """
    return None if column is None else group_numbers(find_column(column, split.metadata, data=source, option="group"))


def failed_gate(config: EvalConfig, metrics: Sequence[_Metric], why_none: str) -> str:
    """What the gate `fail_under` says: a sentence if it is not met, "" if it is, or if there is none.

    Args:
        config: The options.
        metrics: The figures that there are.
        why_none: Why one may lack.

    Raises:
        InputError: If there is no such figure here.
    """
    wanted = gate(config.fail_under)
    if wanted is None:
        return ""
    estimate = next((one.estimate for one in metrics if one.name == wanted.metric), None)
    if estimate is None:
        raise InputError(f"`fail_under`: there is no {wanted.metric} here: {why_none}")
    return f"{wanted.metric} on {config.split} is {wanted.below(estimate)}" if wanted.fails(estimate) else ""
