"""What an evaluation derives from its predictions beside its figures: slices, comparison, abstention, suspects, duplicates."""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.predictions import Predictions
from dlcli.engines.eval.against import FLIPS
from dlcli.engines.eval.opened_predictions import OpenedPredictions
from dlcli.engines.eval.prediction_file import eval_prediction_file
from dlcli.engines.leaks import MOST_LISTED, without_duplicates
from dlcli.engines.verify.claims import RunRecord, same, skipped
from dlcli.engines.verify.ties import TIED, undecided_threshold
from dlcli.specs.abstention import Abstention
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.predictions import is_prediction_file
from dlcli.specs.verify import Check, Verdict
from dlcli.support.reporter import SILENT
from dlcli.support.tables import Table, write_csv

_NEAR = 1e-4
"""Figures of probabilities with nine digits differ by less from those of all digits."""
_ASKED = ("abstain", "detect", "no_worse", "fail_under")
_PARTS = {"slices": "slices", "against": "comparison", "abstain": "abstention", "detect": "needed", "suspects": "suspects"}
"""The options that ask for a part of the result, and what it is called there."""
_OF_NAMES = ("against", "against_sha256", "flips")
"""Entries of a comparison that a table of which only the flips are known does not have."""


def evaluated_again(record: RunRecord, path: Path, given: Mapping[str, Any], opened: OpenedPredictions) -> EvalResult:
    """The evaluation of a table of predictions, with what the record derives from it as well.

    Args:
        record: The record of the evaluation.
        path: The table that it left, or that it read.
        given: The options of the configuration that concern tables.
        opened: The table.

    Raises:
        DlcliError: If the table cannot be evaluated.
    """
    config, result, predictions = record.options, record.result, opened.predictions
    asked = {name: value for name, value in config.items() if name in _ASKED}
    asked |= {"suspects": True} if result.get("suspects") and predictions.log_p is not None else {}
    with TemporaryDirectory() as folder:
        if result.get("comparison") is not None:
            asked["against"] = config["against"]
            if not is_prediction_file(config["against"]):
                asked["against"] = str(Path(folder) / "old.csv")
                called = opened.table.numbers if is_prediction_file(config["model"]) else np.arange(len(predictions.y))
                _write_old(Path(asked["against"]), opened, called, record.folder / FLIPS)
        given = {**given, **({"skip_bad": Path(folder, "bad.csv")} if "skip_bad" in given else {})}
        return eval_prediction_file(EvalConfig(model=str(path), **given, **asked), SILENT)


def _write_old(path: Path, opened: OpenedPredictions, called: NDArray[np.int64], flips: Path) -> None:
    """The table of the classifier that was compared with, of which the changed rows are known, and that the others are alike.

    Args:
        path: Where to write it.
        opened: The table of the new classifier.
        called: What the flips call each example, (n,).
        flips: The examples that changed.
    """
    predictions = opened.predictions
    names, places = predictions.outputs, {number: k for k, number in enumerate(called.tolist())}
    labels = [names[k] for k in predictions.predicted]
    with flips.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            labels[places[int(row["index"])]] = row["old"]
    truth = [names[k] for k in predictions.y]
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = [list(row) for row in zip(opened.table.numbers.tolist(), truth, labels, strict=True)]
        write_csv(Table(["index", "truth", "predicted"], rows), stream)


def derived_again(record: RunRecord, found: EvalResult, predictions: Predictions) -> Iterator[Check]:
    """Check what is derived from predictions.

    Args:
        record: The record of the evaluation.
        found: What `evaluated_again` returns.
        predictions: Those of the table.

    Yields:
        A check for each part that the record has.
    """
    claimed, options = record.result, record.content["config"]
    parts = [part for part in _PARTS.values() if claimed.get(part)]
    yield same("parts of the result", parts, [part for option, part in _PARTS.items() if options.get(option)])
    yield same("number of groups", claimed.get("n_groups"), found.n_groups)
    yield same("worst slice", claimed.get("worst_slice"), found.worst_slice)
    yield _compared("names of figures", _names(claimed), _names(_plain(found)))
    yield _compared("confusion", *(_cells(one["confusion"]) for one in (claimed, _plain(found))))
    yield _compared("calibration", claimed["bins"], found.bins)
    yield _compared("mistakes", *_mistakes(claimed["mistakes"], _plain(found.mistakes)))
    if not claimed.get("stopped"):
        yield same("gate", "passed" if not claimed["failed"] else "failed", "passed" if not found.failed else "failed")
    if claimed.get("slices"):
        yield _compared("slices", _by_name(claimed["slices"]), _by_name(found.slices))
    yield from _comparison(record, found)
    if claimed.get("abstention") is not None and found.abstention is not None:
        yield _abstention(claimed["abstention"], found.abstention, predictions)
    if claimed.get("needed") is not None and found.needed is not None:
        yield _compared("images needed", claimed["needed"], found.needed)
    if claimed.get("suspects") is not None:
        yield _suspects(claimed["suspects"], found)


def _comparison(record: RunRecord, found: EvalResult) -> Iterator[Check]:
    claimed = record.result.get("comparison")
    if claimed is None or found.comparison is None:
        return
    of_table = is_prediction_file(record.content["config"]["against"])
    both = [dict(_plain(one)) for one in (claimed, found.comparison)]
    for one in both:
        one["parts"] = _by_name(one["parts"])
    unknown = () if of_table else _OF_NAMES
    yield _compared("comparison", *({name: one[name] for name in one if name not in unknown} for one in both))


def leaks_again(record: RunRecord, predictions: Predictions) -> Iterator[Check]:
    """Check the accuracy without duplicates that the record lists; that they are duplicates is not looked at.

    Args:
        record: The record of the evaluation.
        predictions: What it left.

    Yields:
        A check where the record has duplicates and lists all of them.
    """
    claimed = record.result.get("leaks")
    if not claimed:
        return
    inside = np.zeros(len(predictions.y), bool)
    inside[[one["index"] for one in claimed["pairs"]]] = True
    listed = int(inside.sum())
    if listed == MOST_LISTED < claimed["count"]:
        yield skipped("accuracy without duplicates", f"of {claimed['count']:,} duplicates {listed:,} are listed")
        return
    rest, gain = without_duplicates(predictions.correct, inside, predictions.group)
    again = {"n": len(inside), "count": listed, "without": rest, "gain": gain}
    yield _compared("accuracy without duplicates", {name: claimed[name] for name in again}, again)


def _mistakes(claimed: list[dict[str, Any]], found: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Both lists by example, for those of equal probability may be in another order, and others of them at the end."""
    last = found[-1]["probability"] if found else None
    known = {row["index"] for row in claimed}, {row["index"] for row in found}
    lists = []
    for rows in (claimed, found):
        either = [row for row in rows if all(row["index"] in one for one in known) or not _close(row["probability"], last)]
        lists.append(
            {"rows": {str(row["index"]): row for row in either}, "probabilities": [row["probability"] for row in rows]}
        )
    return tuple(lists)


def _abstention(claimed: Mapping[str, Any], found: Abstention, predictions: Predictions) -> Check:
    check = _compared("abstention", claimed, found)
    if check.verdict is Verdict.REFUSED and undecided_threshold(claimed, found, predictions):
        return skipped("abstention", TIED)
    return check


def _suspects(claimed: Mapping[str, Any], found: EvalResult) -> Check:
    """Of the suspects their numbers, and which label each has and should have; their order may differ by rounding."""
    if found.suspects is None:
        return skipped("suspects", "the table has no probabilities of all classes")
    again = _plain(found.suspects)
    return _compared("suspects", *(_suspected(one) for one in (claimed, again)))


def _suspected(one: Mapping[str, Any]) -> dict[str, Any]:
    labels = {str(row["index"]): [row["given"], row["suggested"], row["score"]] for row in one["suspects"]}
    return {"rows": labels, **{name: one[name] for name in ("n", "count", "estimated", "right")}}


def _names(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """The figures, what they are of, and the classes, each as often as it is there; classes may be in another order."""
    figures = [one[name] for one in result["metrics"] for name in ("name", "positive")]
    return {"figures": figures, "classes": sorted(one["name"] for one in result["per_class"])}


def _cells(rows: Any) -> dict[str, list[int]]:
    """The counts of a confusion matrix by true and predicted class."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        counts.setdefault(f"{row['true']} as {row['predicted']}", []).append(row["count"])
    return counts


def _by_name(rows: Any) -> dict[str, Any]:
    return {f"{row['column']}={row['name']}": row for row in _plain(rows)}


def _plain(value: Any) -> Any:
    """Values as JSON has them."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _compared(what: str, claimed: Any, found: Any) -> Check:
    """A check of all that is inside two values."""
    mine, theirs = dict(_leaves(_plain(claimed))), dict(_leaves(_plain(found)))
    other = [name for name in {**mine, **theirs} if not _close(mine.get(name), theirs.get(name))]
    verdict = Verdict.REFUSED if other else Verdict.SAME if mine == theirs else Verdict.CLOSE
    shown = f"other: {', '.join(other[:3])}" if other else f"{len(mine)} computed again"
    return Check(what=what, claimed=f"{len(mine)} values", found=shown, verdict=verdict)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The values inside a value by their paths."""
    if isinstance(value, Mapping | list):
        rows = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, one in rows:
            yield from _leaves(one, f"{name} {key}".strip())
    else:
        yield name, value


def _close(claimed: Any, found: Any) -> bool:
    """Whether two values are equal, or numbers that differ by rounding."""
    if isinstance(claimed, int | float) and isinstance(found, int | float):
        return math.isclose(claimed, found, rel_tol=_NEAR, abs_tol=_NEAR)
    return bool(claimed == found)
