"""Scores as cells hold them, made into numbers: the one place where scores of tables, parquet, tar and folders are read."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import RATER_COLUMN, SCORE_COLUMNS, known_columns, named_column, plain_name
from dlcli.core.data.file_kinds import composed
from dlcli.support.errors import InputError

OUTPUT = ("score",)
"""What stands for the classes of data with scores: the name of the one output of a network for them."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_LARGEST = 1e15
"""Scores are at most as large, and their range is at least one over it, so that nothing overflows in float32."""
_RESOLUTION = 1e-4
"""The largest error of a score in float32, as a share of the range of the scores."""
_NOISE = 1e-13
"""Scores that differ by less than this share of their size are equal: their difference is rounding, as of means of raters."""
_HINT = "name the column that holds the scores, as `score_column=NAME`, or those of raters, as `raters=NAME`"


@dataclass(frozen=True)
class ScoreLabels:
    """The score of each example, y (n,) float64, and what its raters gave, columns (n,) float64 by name, NaN for none."""

    y: NDArray[np.float64]
    raters: Mapping[str, NDArray[np.float64]]

    def take(self, which: NDArray[np.intp]) -> "ScoreLabels":
        """Those of the examples at the indices `which`."""
        return ScoreLabels(self.y[which], {name: column[which] for name, column in self.raters.items()})


def read_scores(where: str, cells: Sequence[Any], *, blanks: bool = False) -> NDArray[np.float64]:
    """Finite numbers (n,) from text, whole numbers and floats.

    Args:
        where: Source and column, for messages.
        cells: The cells.
        blanks: Whether a blank cell is NaN, as of a rater who did not rate; else it is refused.

    Raises:
        InputError: Naming the row, counted from 1, of a cell that is not a finite number.
    """
    return np.array([_score(where, row, cell, blanks=blanks) for row, cell in enumerate(cells, 1)], dtype=np.float64)


def _score(where: str, row: int, cell: Any, *, blanks: bool) -> float:
    if isinstance(cell, (list, tuple)) and len(cell) == 1:
        cell = cell[0]
    text = composed(cell).strip() if isinstance(cell, str) else "" if cell is None else str(cell)
    if blanks and text.casefold() in ("", "nan"):
        return math.nan
    if isinstance(cell, bool) or not _NUMBER.fullmatch(text):
        shown = "is empty" if not text else f"'{text[:40]}' is not a finite number"
        hint = f"write {text.replace(',', '.')}" if _COMMA.fullmatch(text) else ""
        raise InputError(f"{where}, row {row}: {shown}", hint=hint)
    value = float(text)
    if not math.isfinite(value):
        raise InputError(f"{where}, row {row}: '{text[:40]}' is not a finite number")
    return value


def check_scores(where: str, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """`y` (n,), if networks, which compute in float32, can learn these scores.

    Args:
        where: Source and column or array, for messages.
        y: Finite scores.

    Raises:
        InputError: If one is too large, or they are so close together for their size that float32 cannot tell them apart.
    """
    size = float(np.abs(y).max(initial=0.0))
    if size > _LARGEST:
        row = int(np.abs(y).argmax()) + 1
        hint = "divide all scores by one number, so that they are about 1"
        raise InputError(f"{where}, row {row}: {y[row - 1]:g} is too large for a score", hint=hint)
    span = float(np.ptp(y)) if len(y) else 0.0
    if span <= _NOISE * size:
        return y
    what = f"{where} has scores from {y.min():.12g} to {y.max():.12g}, which are too close together"
    if span < 1 / _LARGEST:
        raise InputError(what, hint="multiply all scores by one number, so that they are about 1")
    if float(np.abs(y.astype(np.float32) - y).max()) > _RESOLUTION * span:
        raise InputError(f"{what} for numbers of 7 digits", hint=f"subtract {y.min():.12g} from all of them")
    return y


def choose_scores(
    source: str, columns: Mapping[str, Sequence[Any]], wanted: str | None, raters: Sequence[str] = ()
) -> ScoreLabels:
    """The scores among some columns, by their names; where there are columns of raters only, the mean of these.

    Args:
        source: What has the columns, for messages.
        columns: Their cells, by name.
        wanted: The column that `score_column` names; None to look for a usual name.
        raters: The columns that `raters` names; none: those called rater, rater_1 and so on.

    Raises:
        InputError: If there is neither a column of scores nor one of raters, or a cell is not a finite number.
    """
    rated = rater_columns(source, list(columns), raters)
    found = {name: read_scores(f"{source}: column '{name}'", columns[name], blanks=True) for name in rated}
    names = [named_column(source, list(columns), wanted, option="score_column")] if wanted is not None else []
    names = names or [name for name in known_columns(list(columns), SCORE_COLUMNS) if name not in rated]
    if names:
        where = f"{source}: column '{names[0]}'"
        return ScoreLabels(check_scores(where, read_scores(where, columns[names[0]])), found)
    if not found:
        raise InputError(f"{source}: {_no_scores(columns)}", hint=_HINT)
    return ScoreLabels(check_scores(source, mean_of_raters(source, np.stack(list(found.values()), 1))), found)


def rater_columns(source: str, columns: Sequence[str], wanted: Sequence[str] = ()) -> list[str]:
    """The columns of raters: those that are named, or else those called rater, rater_1 and so on.

    Raises InputError, naming `source`, if one that is named is not there.
    """
    if wanted:
        return [named_column(source, columns, name, option="raters") for name in wanted]
    return [name for name in columns if RATER_COLUMN.fullmatch(plain_name(name))]


def mean_of_raters(where: str, ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean (n,) of the ratings (n, raters) of each example, without those that are NaN; each needs one at least."""
    there = np.isfinite(ratings)
    none = np.flatnonzero(~there.any(1))
    if len(none):
        raise InputError(f"{where}: row {none[0] + 1} has no rating", hint="remove the row, or add a rating")
    found: NDArray[np.float64] = np.where(there, ratings, 0.0).sum(1) / there.sum(1)
    return found


def score_of_folder(root: str, name: str) -> float:
    """The score that the name of a folder is; raises InputError, naming `root`, for one that is not a number."""
    if not _NUMBER.fullmatch(name.strip()) or not math.isfinite(float(name)):
        hint = "name each folder by its score, such as 7 or 7.5, or list files and scores in labels.csv"
        raise InputError(f"{root}: the folder '{name}' is not called by a score", hint=hint)
    return float(name)


def _no_scores(columns: Mapping[str, Sequence[Any]]) -> str:
    """What columns there are, and which of them hold numbers."""
    numeric = [name for name, cells in columns.items() if cells and all(_is_number(cell) for cell in cells)]
    if not columns:
        return "has no columns but that of files"
    of_numbers = f"; of numbers: {', '.join(numeric)}" if numeric else "; none of them holds numbers"
    return f"has columns {', '.join(columns)}, none of which is called score or mean{of_numbers}"


def _is_number(cell: Any) -> bool:
    return not isinstance(cell, bool) and _NUMBER.fullmatch(str(cell).strip()) is not None
