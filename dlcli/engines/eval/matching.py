"""Which examples of two classifiers are the same: by the names of their files, an index, another column, or their order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.prediction_files import WHOLE, whole_or_text
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

_TELLING = 5
"""Two networks hardly give a column of this many values the same numbers of each by chance, in another order."""

_FILES, _INDEX = "file", "index"

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


class _Key(NamedTuple):
    """What both classifiers call their examples, each once; how a message has a name, as a format; and a note on the column."""

    mine: Names
    theirs: Names
    said: str
    note: str = ""


def matched(new: Side, old: Side, *, named: bool = False) -> Matching:
    """Match the examples of two classifiers: by their files, by their index, by another column, or else by their order.

    Names that only number the rows of both tables tell no more than their order, so that any other one goes first.

    Args:
        new: The new classifier.
        old: The old one.
        named: Whether the user names the column of files, which decides then.

    Raises:
        InputError: If the old one lacks an example, or columns contradict each other or the order.
    """
    keys = _keys(new, old)
    if named and _FILES in keys:
        return _matched_by(new, old, keys[_FILES])
    telling = {name: key for name, key in keys.items() if not (_numbers_rows(key.mine) and _numbers_rows(key.theirs))}
    if found := {name: _matched_by(new, old, key) for name, key in (telling or keys).items()}:
        chosen = _of_one_mind(found, old)
        if not telling:
            _check_columns(new, old, chosen.rows)
        return chosen
    n, m = len(new.predictions.y), len(old.predictions.y)
    if n != m:
        raise InputError(
            f"{old.name}: has {count(m, 'prediction')}, and {new.name} {n:,}",
            hint="both need predictions for the same examples",
        )
    _check_order(new, old)
    said = "Examples are matched by their order: no column of both tables names each example once."
    return Matching(np.arange(n), **{"note" if _in_one_order(new, old) else "doubt": said})


def _keys(new: Side, old: Side) -> dict[str, _Key]:
    """What tells the examples of both apart, most telling first: their files, their index, and columns that both tables have.

    Of a column most values have to be shared, so that figures of the networks themselves, such as logits, are none.
    """
    found = {}
    if new.files is not None and old.files is not None and _each_once(new.files) and _each_once(old.files):
        found[_FILES] = _Key(*_ends_of_paths(new.files, old.files), "{}")
    if new.ids is not None and old.ids is not None:
        found[_INDEX] = _Key(*_numbers_or_names(new.ids, old.ids), "index {}")
    for name in [name for name in new.columns if name in old.columns and name != "file"]:
        mine, theirs = _plain_column(new, old, name)
        if _each_once(mine) and _each_once(theirs) and 2 * len({*mine} & {*theirs}) > len(mine):
            found[name] = _Key(mine, theirs, name + " {}", f"Examples are matched by the column '{name}'.")
    return found


def _plain_column(new: Side, old: Side, name: str) -> tuple[Names, Names]:
    mine, theirs = ([str(one) for one in side.columns[name]] for side in (new, old))
    return _numbers_or_names(mine, theirs)


def _numbers_rows(names: Names) -> bool:
    """Whether names are the numbers of the rows, from 0 or from 1."""
    return list(names) in ([str(k + start) for k in range(len(names))] for start in (0, 1))


def _of_one_mind(found: dict[str, Matching], old: Side) -> Matching:
    """The first matching; raises InputError if another column says otherwise. An index may: each table has its own order."""
    (first, chosen), *others = found.items()
    for name, one in others:
        if not (first == _FILES and name == _INDEX) and not np.array_equal(one.rows, chosen.rows):
            message = f"{old.name}: the columns '{first}' and '{name}' both tell examples apart, and match them in two ways"
            raise InputError(message, hint=f"name the right one by `columns`, as file={name}")
    return chosen


def _in_one_order(new: Side, old: Side) -> bool:
    """Whether a column with several values is the same in every row; raises InputError if columns show that rows differ."""
    same = False
    for name in [name for name in new.columns if name in old.columns]:
        mine, theirs = _plain_column(new, old, name)
        if list(mine) == list(theirs):
            same |= len({*mine}) >= _TELLING
        elif _names_others(mine, theirs):
            other = next(one for one in mine if one not in {*theirs})
            message = f"{old.name}: column '{name}' has another value in each row, and '{other}' of {new.name} in none"
            raise InputError(message, hint="give both the same examples, called alike, or drop the column")
    _check_columns(new, old, np.arange(len(new.predictions.y)))
    return same


def _check_columns(new: Side, old: Side, rows: NDArray[np.intp]) -> None:
    """Raise InputError if a column has the same values for both classifiers, but not in the same rows."""
    for name in [name for name in new.columns if name in old.columns]:
        mine, others = _plain_column(new, old, name)
        theirs = [others[row] for row in rows]
        if len({*mine}) >= _TELLING and list(mine) != theirs and sorted(mine) == sorted(theirs):
            row = next(k for k, (one, other) in enumerate(zip(mine, theirs, strict=True)) if one != other)
            message = f"{old.name}: row {row + 1:,}, column '{name}': '{theirs[row]}', and '{mine[row]}' in {new.name}"
            hint = "the rows are in another order: sort both alike, or give each example an index"
            raise InputError(message, hint=hint)


def _names_others(mine: Names, theirs: Names) -> bool:
    """Whether a column names the examples of both tables, which are others: text, or whole numbers of which some agree."""
    if not (_each_once(mine) and _each_once(theirs) and len(mine) > 1):
        return False
    if all(map(_is_number, (*mine, *theirs))):
        return all(WHOLE.fullmatch(one) for one in (*mine, *theirs)) and not {*mine}.isdisjoint(theirs)
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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


def _matched_by(new: Side, old: Side, key: _Key) -> Matching:
    """Match examples by what both call each one; raises InputError if the old classifier lacks one."""
    place = {name: row for row, name in enumerate(key.theirs)}
    missing = next((name for name in key.mine if name not in place), None)
    if missing is not None:
        hint = "both need predictions for the same examples"
        raise InputError(f"{old.name}: has no prediction for {key.said.format(missing)}", hint=hint)
    there = set(key.mine)
    others = [name for name in key.theirs if name not in there]
    left = f"{count(len(others), 'example')} of {old.name}, first {key.said.format(others[0])}" if others else ""
    return Matching(np.array([place[name] for name in key.mine], dtype=np.intp), left, note=key.note)


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
