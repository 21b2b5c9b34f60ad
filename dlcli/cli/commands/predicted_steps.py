"""What `dlcli predict` says at the shell of a network that predicts the next step."""

from collections import Counter
from typing import Any

from dlcli.specs.figures import number_in_units
from dlcli.specs.predict import PredictResult
from dlcli.support.plural import count

_MEAN = "mean_"
_SHOWN = 3
"""Symbols and channels that are named."""


def of_steps(result: PredictResult) -> bool:
    """Whether the rows are steps, not examples."""
    return "step" in result.table.columns


def steps_answer(result: PredictResult, what: str) -> str:
    """What is expected after all steps, in a line: which symbols, how many channels, or numbers of which size.

    Args:
        result: The prediction.
        what: The data, and the set of them.
    """
    steps = count(len(result.table.rows), "step")
    return f"{steps} of {count(result.n_images, result.unit)} of {what}, by {result.model}: {_expected(result)}"


def _expected(result: PredictResult) -> str:
    columns = result.table.columns
    if "label" in columns:
        often = Counter(map(str, _column(result, "label"))).most_common(_SHOWN)
        return "expected most often " + ", ".join(f"{name!r} ({number:,})" for name, number in often)
    if "expected" in columns:
        each = _column(result, "expected")
        return f"of the channels a mean of {number_in_units(sum(each) / len(each))} expected to be 1"
    means = [name for name in columns if name.startswith(_MEAN)]
    shown = [f"channel {name.removeprefix(_MEAN)} from {_range(_column(result, name))}" for name in means[:_SHOWN]]
    return "means of " + ", ".join(shown) + (" ..." if len(means) > _SHOWN else "")


def _range(values: list[float]) -> str:
    return f"{number_in_units(min(values))} to {number_in_units(max(values))}"


def _column(result: PredictResult, name: str) -> list[Any]:
    place = result.table.columns.index(name)
    return [row[place] for row in result.table.rows]
