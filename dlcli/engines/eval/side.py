"""One of two classifiers that are compared, and the columns that its table shares with that of the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.prediction_files import whole_or_text
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.tables import Table

Names = Sequence[str]


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


def plain_column(new: Side, old: Side, name: str) -> tuple[Names, Names]:
    """A column of both tables as text, see `numbers_or_names`."""
    mine, theirs = ([str(one) for one in side.columns[name]] for side in (new, old))
    return numbers_or_names(mine, theirs)


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


def each_once(names: Names) -> bool:
    """Whether no two names are the same."""
    return len(set(names)) == len(names)


def numbers_rows(names: Names) -> bool:
    """Whether names are the numbers of the rows, from 0 or from 1."""
    return [whole_or_text(name) for name in names] in ([str(k + start) for k in range(len(names))] for start in (0, 1))


def may_be_ranks(names: Names) -> bool:
    """Whether names are the numbers of as many rows, from 0 or from 1, in any order: a key, or ranks that a network gave."""
    return numbers_rows(sorted(map(whole_or_text, names), key=lambda name: (len(name), name)))


def telling_columns(new: Side, old: Side) -> Iterator[tuple[str, Names, Names]]:
    """The files and the columns that both tables have, but for those that number the rows of both, in whatever order.

    Args:
        new: One classifier.
        old: The other.

    Yields:
        The name of a column, which may differ in case and joints, and its cells in both.
    """
    found = [("file", new.files, old.files)] if new.files is not None and old.files is not None else []
    theirs = {plain_name(name): name for name in reversed(list(old.columns))}
    for name in new.columns:
        other = name if name in old.columns else theirs.get(plain_name(name))
        if other is not None and name != "file":
            found.append((name, list(map(str, new.columns[name])), list(map(str, old.columns[other]))))
    return (one for one in found if not (may_be_ranks(one[1]) and may_be_ranks(one[2])))


def parts_of_path(file: str) -> list[str]:
    """The folders of a path, and its name."""
    return file.replace("\\", "/").strip("/").split("/")
