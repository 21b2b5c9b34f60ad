"""All figures of an evaluation computed again from its predictions."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dlcli.core.evaluation.tied_ranks import Ends
from dlcli.core.model_io.score_metadata import task_of
from dlcli.engines.anytime import whole_set_shares
from dlcli.engines.eval.opened_predictions import open_predictions
from dlcli.engines.verify.claims import RunRecord, skipped
from dlcli.engines.verify.derived_again import derived_again, evaluated_again, leaks_again
from dlcli.engines.verify.ties import TIED, tied_figures, undecided
from dlcli.specs.eval import EvalConfig
from dlcli.specs.table_options import FIELDS
from dlcli.specs.verify import Check, Verdict

_NEAR = 1e-4
"""Figures of probabilities with nine digits differ by less from those of all digits."""
_OF_PREDICTIONS = ("group", "slices", "seed", "columns", "limit")


def figures_again(record: RunRecord, path: Path) -> Iterator[Check]:
    """Check each figure and each end of its interval against what the table of predictions gives.

    Args:
        record: The record of the evaluation.
        path: The table that it left, or that it read.

    Yields:
        A check of the figures of the whole, one of those of classes, and those of all that is derived from predictions.
    """
    config = record.options
    given = {name: value for name, value in config.items() if name in (*_OF_PREDICTIONS, *FIELDS)}
    if path.parent == record.folder:  # the table that a run leaves has only what it saw, in the usual format
        given = {name: value for name, value in given.items() if name != "limit" and name not in FIELDS}
    if record.result.get("n_groups") is not None and "group" not in given:
        given["group"] = task_of(config["model"]).group  # that of the training
    opened = open_predictions(EvalConfig(model=str(path), **given), str(path))
    predictions = opened.predictions
    found = evaluated_again(record, path, given, opened)
    stopped = record.result.get("stopped")
    metrics = whole_set_shares(found.metrics, stopped["seen"], stopped["total"]) if stopped else found.metrics
    whole = {one.name: vars(one.estimate) for one in metrics}
    ends = tied_figures(predictions)
    yield from _decided("figures", {one["name"]: one["estimate"] for one in record.result["metrics"]}, whole, ends)
    each = {f"{row.name} {name}": vars(value) for row in found.per_class for name, value in _of_class(vars(row)).items()}
    rows = record.result["per_class"]
    classes = {f"{row['name']} {name}": value for row in rows for name, value in _of_class(row, mapping=True).items()}
    yield from _decided("figures of classes", classes, each, ends)
    yield from derived_again(record, found, predictions)
    yield from leaks_again(record, predictions)


def _of_class(row: Mapping[str, Any], *, mapping: bool = False) -> dict[str, Any]:
    """The estimates of a class by name."""
    return {name: one for name, one in row.items() if (isinstance(one, dict) if mapping else hasattr(one, "low"))}


def _decided(
    what: str, claimed: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]], ends: Mapping[str, Ends]
) -> Iterator[Check]:
    """The figures that both have, without those that the order of equal probabilities decides."""
    differ = [name for name in claimed if name in found and not _close(claimed[name], found[name])]
    tied = [name for name in differ if undecided(claimed[name], ends.get(name))]
    yield compared(what, {name: one for name, one in claimed.items() if name not in tied}, found)
    if tied:
        yield skipped(f"{what}: {', '.join(tied)}", TIED)


def compared(what: str, claimed: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> Check:
    """The figures that both have."""
    both = [name for name in claimed if name in found]
    other = [name for name in both if not _close(claimed[name], found[name])]
    exact = all(dict(claimed[name]) == dict(found[name]) for name in both)
    verdict = Verdict.REFUSED if other else Verdict.SAME if exact else Verdict.CLOSE
    shown = f"other: {', '.join(other[:3])}" if other else f"{len(both)} computed again"
    return Check(what=what, claimed=f"{len(claimed)} with their intervals", found=shown, verdict=verdict)


def _close(claimed: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether value, ends of the interval and number of examples are those of the record."""
    if claimed["n"] != found["n"]:
        return False
    pairs = [(claimed[name], found[name]) for name in ("value", "low", "high")]
    return all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=_NEAR, abs_tol=_NEAR)) for a, b in pairs
    )
