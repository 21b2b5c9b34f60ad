"""Which examples of two classifiers are the same: by the names of their files, an index, another column, or their order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.prediction_files import whole_or_text
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

_TELLING = 5
"""Two networks hardly give a column of this many values the same numbers of each by chance, in another order."""

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
    """

    name: str
    sha256: str
    predictions: Predictions
    files: Names | None
    pictures: Callable[[list[int]], NDArray[np.floating]] | None = None
    ids: Names | None = None
    columns: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    source: Table | None = None


class Matching(NamedTuple):
    """Which examples of both classifiers are the same.

    Attributes:
        rows: The row of the old classifier for each example of the new one, (n,).
        left: Which examples of the old one are in no row of the new one; empty if none.
        doubt: That nothing but their order says so; empty if something does.
        note: By which column they are matched, if that is not plain.
    """

    rows: NDArray[np.intp]
    left: str = ""
    doubt: str = ""
    note: str = ""


def matched(new: Side, old: Side) -> Matching:
    """Match the examples of two classifiers: by their files, by their index, by another column, or else by their order.

    Raises:
        InputError: If the old one lacks an example, or columns contradict each other or the order.
    """
    if new.files is not None and old.files is not None and _each_once(new.files) and _each_once(old.files):
        return _matched_by_name(new, old, _ends_of_paths(new.files, old.files), "{}")
    if new.ids is not None and old.ids is not None:
        return _matched_by_name(new, old, _numbers_or_names(new.ids, old.ids), "index {}")
    if keys := _matched_by_columns(new, old):
        return _of_one_mind(keys, old)
    n, m = len(new.predictions.y), len(old.predictions.y)
    if n != m:
        raise InputError(
            f"{old.name}: has {count(m, 'prediction')}, and {new.name} {n:,}",
            hint="both need predictions for the same examples",
        )
    _check_order(new, old)
    said = "Examples are matched by their order: not both have names of files, or an index or another column, each value once."
    return Matching(np.arange(n), **{"note" if _in_one_order(new, old) else "doubt": said})


def _matched_by_columns(new: Side, old: Side) -> dict[str, Matching]:
    """The matching by each column that both tables have and that tells the examples of both apart.

    A column that most values of the new table share with the old one tells them apart too, so a missing one is refused. Figures
    of the networks themselves, such as logits, have no values in common.
    """
    found = {}
    for name in [name for name in new.columns if name in old.columns]:
        mine, theirs = _numbers_or_names(*([str(one) for one in side.columns[name]] for side in (new, old)))
        shared = len({*mine} & {*theirs})
        if _each_once(mine) and _each_once(theirs) and 2 * shared > len(mine):
            by_name = _matched_by_name(new, old, (mine, theirs), name + " {}")
            found[name] = by_name._replace(note=f"Examples are matched by the column '{name}'.")
    return found


def _of_one_mind(keys: dict[str, Matching], old: Side) -> Matching:
    """The matching by the first column; raises InputError if another one says otherwise."""
    (first, chosen), *others = keys.items()
    for name, one in others:
        if not np.array_equal(one.rows, chosen.rows):
            message = f"{old.name}: the columns '{first}' and '{name}' both tell examples apart, and match them in two ways"
            raise InputError(message, hint=f"name the right one by `columns`, as file={first}")
    return chosen


def _in_one_order(new: Side, old: Side) -> bool:
    """Whether a column with several values is the same in every row; raises InputError if its values are in another order."""
    same = False
    for name in [name for name in new.columns if name in old.columns]:
        mine, theirs = ([whole_or_text(one) for one in side.columns[name]] for side in (new, old))
        if len({*mine}) < _TELLING:
            continue
        if mine == theirs:
            same = True
        elif sorted(mine) == sorted(theirs):
            row = next(k for k, (one, other) in enumerate(zip(mine, theirs, strict=True)) if one != other)
            message = f"{old.name}: row {row + 1:,}, column '{name}': '{theirs[row]}', and '{mine[row]}' in {new.name}"
            hint = "the rows are in another order: sort both alike, or give each example an index"
            raise InputError(message, hint=hint)
    return same


def _check_order(new: Side, old: Side) -> None:
    """Refuse rows in another order, where both name files that are not each named once."""
    if new.files is None or old.files is None:
        return
    above = [_folders_above(mine, theirs) for mine, theirs in zip(new.files, old.files, strict=True)]
    roots = min((one for one in above if one is not None), key=lambda one: len(one[0]), default=None)
    other = next((k for k, one in enumerate(above) if one is None or one != roots), None)
    if other is None:
        return
    message = f"{old.name}: row {other + 1:,} is {old.files[other]}, and {new.files[other]} in {new.name}"
    hint = "files that several rows name are matched in their order: sort both alike, or give each row its own index"
    raise InputError(message, hint=hint)


def _folders_above(mine: str, theirs: str) -> tuple[list[str], list[str]] | None:
    """The folders of two paths above the longest end that they share; None if they share none."""
    parts = _parts(mine), _parts(theirs)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*map(reversed, parts), strict=False)))
    return (parts[0][:-shared], parts[1][:-shared]) if shared else None


def _matched_by_name(new: Side, old: Side, names: tuple[Names, Names], said: str) -> Matching:
    """Match examples by what both call each one.

    Args:
        new: The new classifier.
        old: The old one.
        names: Of the examples of the new one, and of the old one, each once.
        said: How a message has a name, as a format.

    Raises:
        InputError: If the old one lacks an example.
    """
    mine, theirs = names
    place = {name: row for row, name in enumerate(theirs)}
    missing = next((name for name in mine if name not in place), None)
    if missing is not None:
        hint = "both need predictions for the same examples"
        raise InputError(f"{old.name}: has no prediction for {said.format(missing)}", hint=hint)
    there = set(mine)
    others = [name for name in theirs if name not in there]
    left = f"{count(len(others), 'example')} of {old.name}, first {said.format(others[0])}" if others else ""
    return Matching(np.array([place[name] for name in mine], dtype=np.intp), left)


def _parts(file: str) -> list[str]:
    return file.replace("\\", "/").strip("/").split("/")


def _each_once(names: Names) -> bool:
    return len(set(names)) == len(names)


def _ends_of_paths(mine: Names, theirs: Names) -> tuple[Names, Names]:
    """Names of files, cut to the longest ends of their paths by which all of the first are among the second, each once.

    Whole paths where there are no such ends: the same files may lie in other folders.
    """
    parts = [[_parts(file) for file in files] for files in (mine, theirs)]
    deepest = max((len(one) for files in parts for one in files), default=1)
    for kept in range(deepest, 0, -1):
        ends = [["/".join(one[-kept:]) for one in files] for files in parts]
        if all(map(_each_once, ends)) and set(ends[0]) <= set(ends[1]):
            return ends[0], ends[1]
    return mine, theirs


def _numbers_or_names(mine: Names, theirs: Names) -> tuple[Names, Names]:
    """What two tables call their examples; whole numbers without the zeros before or behind them that programs add."""
    plain = [[whole_or_text(name) for name in names] for names in (mine, theirs)]
    return (plain[0], plain[1]) if all(map(_each_once, plain)) else (mine, theirs)


def check_truth(new: Side, old: Side, rows: NDArray[np.intp]) -> None:
    """Raise InputError, naming the first example, if both have other true classes."""
    mine, theirs = (np.array(one.predictions.outputs, dtype=object)[one.predictions.y] for one in (new, old))
    other = np.flatnonzero(mine != theirs[rows])
    if not len(other):
        return
    k = int(other[0])
    what = new.files[k] if new.files is not None else f"row {k + 1:,}"
    message = f"{old.name}: the true class of {what} is '{theirs[rows][k]}', and '{mine[k]}' in {new.name}"
    raise InputError(message, hint="are these the same examples, in the same order?")
