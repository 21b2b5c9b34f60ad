"""`dlcli predict` at the shell."""

import re
from collections import Counter
from collections.abc import Mapping
from statistics import median
from typing import Any

from dlcli.cli.command import Command, TerminalTable
from dlcli.cli.commands.predicted_steps import of_steps, steps_answer
from dlcli.specs.figures import number_in_units
from dlcli.specs.predict import PredictConfig, PredictResult
from dlcli.support.plural import count

_LEAST_SURE = 0.5
_SECONDS = ("begin", "end", "seconds")
"""Columns of windows of a video and of beginnings of a sound, which are times; other fractions are shown in percent."""
_LABEL = re.compile("^(probability|share)_")


def _table(result: PredictResult) -> TerminalTable:
    title = f"the first {'step' if of_steps(result) else result.unit}s" if len(result.table.rows) > 1 else ""
    heads = [_head(name) for name in result.table.columns if not _is_further_probability(name)]
    numbers = _has_scores(result) or (of_steps(result) and "label" not in result.table.columns)
    cells = _score_cells if numbers else _cells
    rows = tuple(cells(record) for record in result.records())
    notes = (*result.notes, "Every row: -o FILE, or a pipe." if len(result.table.rows) > len(rows) else "")
    return TerminalTable(title, tuple(heads), rows, notes=notes, answer=_answer(result))


def _has_scores(result: PredictResult) -> bool:
    return "score" in result.table.columns


def _is_further_probability(column: str) -> bool:
    """Whether a terminal shows the column beside its label: pairs of columns would not fit 80 columns."""
    return column.startswith(("probability_", "share_"))


def _head(column: str) -> str:
    if column.startswith("label_"):
        return f"{column.replace('_', ' ')} (%)"
    if column in ("begin", "end"):
        return f"{column}, s"
    return column.replace("probability", "probability, %").replace("share", "share, %")


def _score_cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple("" if one is None else number_in_units(one) if isinstance(one, float) else str(one) for one in record.values())


def _cells(record: Mapping[str, Any]) -> tuple[str, ...]:
    beside = {_LABEL.sub("label_", name): value for name, value in record.items() if _is_further_probability(name)}
    alone = {name: value for name, value in record.items() if not _is_further_probability(name)}
    shown = {name: _seconds(value) if name in _SECONDS else _cell(value) for name, value in alone.items()}
    return tuple(f"{cell} ({_cell(beside[name])})" if name in beside else cell for name, cell in shown.items())


def _cell(value: object) -> str:
    return f"{100 * value:.1f}" if isinstance(value, float) else str(value)


def _seconds(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def _answer(result: PredictResult) -> str:
    """The class of a single example; of several the classes that were predicted most, and how many are unsure; or scores."""
    if of_steps(result):
        return steps_answer(result, _what(result))
    if _has_scores(result):
        return _scores(result)
    if "share" in result.table.columns:
        return _masks(result)
    label, probability = (result.table.columns.index(name) for name in ("label", "probability"))
    rows = result.table.rows
    if len(rows) == 1:
        return f"{_what(result)}: {rows[0][label]}, {100 * rows[0][probability]:.1f}% by {result.model}"
    often = Counter(str(row[label]) for row in rows).most_common(3)
    named = ", ".join(f"{name} ({number:,})" for name, number in often)
    unsure = sum(row[probability] < _LEAST_SURE for row in rows)
    found = f"{count(result.n_images, result.unit)} of {_what(result)}, by {result.model}: most often {named}"
    return f"{found}; {unsure:,} below {100 * _LEAST_SURE:.0f}% probability"


def _masks(result: PredictResult) -> str:
    """What a single picture mostly shows; of several the class that is largest most often."""
    label, share = (result.table.columns.index(name) for name in ("label", "share"))
    rows = result.table.rows
    if len(rows) == 1:
        return f"{_what(result)}: {100 * rows[0][share]:.1f}% {rows[0][label]} by {result.model}"
    name, number = Counter(str(row[label]) for row in rows).most_common(1)[0]
    found = f"masks of {count(result.n_images, result.unit)} of {_what(result)}, by {result.model}"
    return f"{found}: the largest class is most often {name} ({number:,})"


def _scores(result: PredictResult) -> str:
    """The score of a single example; of several the range and the median."""
    score, low, high = (result.table.columns.index(name) for name in ("score", "low", "high"))
    rows = result.table.rows
    if len(rows) == 1:
        ends = "" if rows[0][low] is None else f" [{number_in_units(rows[0][low])}, {number_in_units(rows[0][high])}]"
        return f"{_what(result)}: {number_in_units(rows[0][score])}{ends} by {result.model}"
    values = [row[score] for row in rows]
    found = f"{count(result.n_images, result.unit)} of {_what(result)}, by {result.model}"
    least, most, middle = (number_in_units(one) for one in (min(values), max(values), median(values)))
    return f"{found}: scores from {least} to {most}, median {middle}"


def _what(result: PredictResult) -> str:
    return f"{result.data}, {result.split}" if result.split else result.data


COMMAND = Command(
    name="predict",
    config=PredictConfig,
    engine="dlcli.engines.predict",
    examples=(
        "dlcli predict runs/digits",
        "dlcli predict runs/mine mine.npz -o labels.csv",
        "dlcli predict w.pth mnist.npz --arch lenet --top 1 --format jsonl | head",
    ),
    table=_table,
    answer=_answer,
    rows=True,
)
