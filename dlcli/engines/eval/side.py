"""One of two classifiers that are compared, and the columns that its table shares with that of the other."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.example_names import whole_or_text
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.tables import Table

Names = Sequence[str]
_ROUNDED = 0.25
"""By how much of it the distance of two numbers that follow each other may differ from the mean one."""


@dataclass(frozen=True)
class Side:
    """One of both classifiers.

    Attributes:
        name: What it is called.
        sha256: Of its weights, or of the table.
        predictions: Its predictions.
        files: The file of each example, (n,); None without files.
        pictures: Makes pictures (m, c, h, w) of examples by their indices; None for a table.
        ids: What the column `index` of a table calls each example, (n,), no two alike; None without one. A network has the
            examples of the data in their order, which are called by their numbers.
        columns: The other columns of a table as text, (n,) each; none of a network.
        source: The table without its rows; None for a network.
        notes: How the table was read.
        read_as: Which of its columns were taken for what.
    """

    name: str
    sha256: str
    predictions: Predictions
    files: Names | None
    pictures: Callable[[list[int]], NDArray[np.floating]] | None = None
    ids: Names | None = None
    columns: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    source: Table | None = None
    notes: tuple[str, ...] = ()
    read_as: str = ""


def plain_column(new: Side, old: Side, name: str) -> tuple[Names, Names]:
    """A column of both tables as text, see `numbers_or_names`; in the other one it may differ in case and joints."""
    return numbers_or_names(list(map(str, new.columns[name])), list(map(str, old.columns[shared_columns(new, old)[name]])))


def shared_columns(new: Side, old: Side) -> dict[str, str]:
    """What the old classifier calls each column of the new one that it has, but for those of files."""
    theirs = {plain_name(name): name for name in reversed(list(old.columns))}
    found = {name: name if name in old.columns else theirs.get(plain_name(name)) for name in new.columns}
    return {name: other for name, other in found.items() if other is not None and name != "file"}


def numbers_or_names(mine: Names, theirs: Names) -> tuple[Names, Names]:
    """What two tables call their examples, in one form.

    Args:
        mine: The names of one.
        theirs: Those of the other.

    Returns:
        Both, whole numbers without the zeros before or behind them that programs add, if they are each there once then.
    """
    plain = [[whole_or_text(name) for name in names] for names in (mine, theirs)]
    return (plain[0], plain[1]) if all(map(each_once, plain)) else (mine, theirs)


def number_in_each(names: Names) -> Names:
    """The whole number that each name has between texts that are the same in all of them; the names where there is none.

    Args:
        names: The names, as `img_001.png`.
    """
    start = os.path.commonprefix(list(names)).rstrip("0123456789")
    end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1].lstrip("0123456789")
    found = [name[len(start) : len(name) - len(end)] for name in names]
    return found if all(map(str.isdecimal, found)) else names


def each_once(names: Names) -> bool:
    """Whether no two names are the same."""
    return len(set(names)) == len(names)


def in_row_order(names: Names) -> bool:
    """Whether names are numbers that may be ranks, up or down from row to row, and so tell no more than the order of rows."""
    return may_be_ranks(names) and from_row_to_row(names)


def from_row_to_row(names: Names) -> bool:
    """Whether names are numbers that go up, or down, from row to row."""
    numbers = _numbers(names)
    steps = np.diff(np.zeros(2) if numbers is None else numbers)
    return bool((steps > 0).all() or (steps < 0).all())


def may_be_ranks(names: Names) -> bool:
    """Whether names may be ranks that a network gave: numbers with decimals, or at equal distances from 0 or from the first."""
    numbers = _numbers(names)
    if numbers is None or not each_once(names):
        return False
    return regular(names) or bool((numbers != np.round(numbers)).any())


def regular(names: Names) -> bool:
    """Whether names are numbers at equal distances from 0 or the first one, in any order: a count of rows, or ranks.

    Ranks in percent of the rows are rounded, so that their distances vary.
    """
    numbers = _numbers(names)
    if numbers is None:
        return False
    ordered = np.sort(numbers)
    step = float(np.diff(ordered).mean()) if len(ordered) > 1 else 1.0
    if not step > 0:
        return False
    return bool((np.abs(np.diff(ordered) / step - 1) <= _ROUNDED).all()) and abs(ordered[0] / step - 0.5) <= 0.5 + _ROUNDED


def _numbers(names: Names) -> NDArray[np.float64] | None:
    """Names as numbers, (n,); None if one is none."""
    try:
        found = np.array([float(name) for name in names])
    except ValueError:
        return None
    return found if len(found) and np.isfinite(found).all() else None


def telling_columns(new: Side, old: Side) -> Iterator[tuple[str, Names, Names]]:
    """The files and the columns that both tables have, but for those that number the rows of both, in whatever order.

    Args:
        new: One classifier.
        old: The other.

    Yields:
        The name of a column, and its cells in both.
    """
    found = [("file", new.files, old.files)] if new.files is not None and old.files is not None else []
    for name, other in shared_columns(new, old).items():
        found.append((name, list(map(str, new.columns[name])), list(map(str, old.columns[other]))))
    return (one for one in found if not (regular(one[1]) and regular(one[2])))


def parts_of_path(file: str) -> list[str]:
    """The folders of a path, and its name."""
    return file.replace("\\", "/").strip("/").split("/")
