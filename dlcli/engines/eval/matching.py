"""Which examples of two classifiers are the same: by the names of their files, an index, another column, or their order."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.engines.eval.order_evidence import in_one_order, moved_values, names_most, without_extension
from dlcli.engines.eval.side import (
    Names,
    Side,
    each_once,
    from_row_to_row,
    in_row_order,
    may_be_ranks,
    number_in_each,
    numbers_or_names,
    parts_of_path,
    plain_column,
    shared_columns,
)
from dlcli.support.errors import InputError
from dlcli.support.plural import count

_FILES, _INDEX = "file", "index"
_CHANGES = 5
"""By ranks of a score, classes change where the network is wrong: two networks hardly change so often at the same ranks."""


class Matching(NamedTuple):
    """Which examples of both classifiers are the same.

    Attributes:
        rows: The row of the old classifier for each example of the new one, (n,).
        left: Which examples of the old one are in no row of the new one; empty if none.
        doubt: That nothing but their order says so; empty if something does.
        note: By which column they are matched.
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


def matched(new: Side, old: Side, *, named: bool = False, first: bool = False) -> Matching:
    """Match the examples of two classifiers: by their files, by their index, by another column, or else by their order.

    Names that only number the rows of both tables tell no more than their order, so that any other one goes first. Numbers of
    as many rows in another order, and those with decimals, are a key, or ranks that the networks gave, so that they go behind
    names, and count only if both have the same true classes then and something else speaks for these rows: another column, the
    same numbers in every row, or classes that change often from one number to the next, which ranks would not agree on.

    Args:
        new: The new classifier.
        old: The old one.
        named: Whether the user names the column of files, which decides then.
        first: Whether rows that are matched by their order may be the first ones of the old one.

    Raises:
        InputError: If the old one lacks an example, columns contradict each other or the order, or nothing but what may be
            ranks matches rows.
    """
    keys = _keys(new, old)
    if named and _FILES in keys:
        return _matched_by(new, old, keys[_FILES])
    numbering = {name: key for name, key in keys.items() if _numbers_rows(name, key)}
    ranks = {name: key for name, key in keys.items() if name not in numbering and _may_be_ranks(name, key)}
    if telling := {name: key for name, key in keys.items() if name not in numbering and name not in ranks}:
        chosen = _of_one_mind({name: _matched_by(new, old, key) for name, key in telling.items()}, old)
        if not telling.keys() & {_FILES, _INDEX}:
            names_most(new, old, chosen.rows)
        return chosen
    if keyed := {name: one for name, one in _of_same_truth(new, old, ranks)}:
        chosen = _of_one_mind(keyed | {name: _matched_by(new, old, key) for name, key in numbering.items()}, old)
        first_key = ranks[next(iter(keyed))]
        if in_one_order(new, old, chosen.rows, but=keyed) or _too_telling_for_ranks(new, old, first_key, chosen.rows):
            return chosen
        if all(map(from_row_to_row, (first_key.mine, first_key.theirs))):  # as rows that were left when others were taken out
            return chosen._replace(doubt=chosen.note, note="")
        raise _doubted(old, next(iter(keyed)))
    by_order, said = _by_numbers_of_rows(new, old, numbering, first=first)
    said = said or moved_values(new, old, by_order.rows)
    if in_one_order(new, old, by_order.rows, but=numbering):
        return by_order._replace(note=said or by_order.note)
    return by_order._replace(doubt=said)


def _numbers_rows(name: str, key: _Key) -> bool:
    """Whether names only number the rows of both tables, those of files also with the same text around the numbers."""
    mine, theirs = (number_in_each(names) for names in (key.mine, key.theirs)) if name == _FILES else (key.mine, key.theirs)
    return in_row_order(mine) and in_row_order(theirs)


def _of_same_truth(new: Side, old: Side, keys: Mapping[str, _Key]) -> Iterator[tuple[str, Matching]]:
    """The matchings by keys after which both classifiers have the same true classes."""
    mine, theirs = _true_classes(new), _true_classes(old)
    for name, key in keys.items():
        found = _matched_by(new, old, key)
        if np.array_equal(mine, theirs[found.rows]):
            yield name, found


def _too_telling_for_ranks(new: Side, old: Side, key: _Key, rows: NDArray[np.intp]) -> bool:
    """Whether ranks that two networks gave would hardly be so: the same in every row, or with classes that change often."""
    if np.array_equal(rows, np.arange(len(old.predictions.y))):
        return True
    return _changes(new, np.argsort([float(name) for name in key.mine])) >= _CHANGES


def _may_be_ranks(name: str, key: _Key) -> bool:
    """One table may lack some of the examples that were ranked."""
    return name not in (_FILES, _INDEX) and (may_be_ranks(key.mine) or may_be_ranks(key.theirs))


def _doubted(old: Side, name: str) -> InputError:
    """What is said of numbers that nothing shows to be a key."""
    what = f"{old.name}: the numbers of {_called(name)} may name the examples, or be ranks that each network gave"
    named = f"`columns`, as file={name}" if name else "give it a name, for `columns` as file=NAME"
    return InputError(what, hint=f"if they name them: {named}; else name each example in both tables")


def _by_numbers_of_rows(new: Side, old: Side, keys: Mapping[str, _Key], *, first: bool) -> tuple[Matching, str]:
    """Match examples by columns that number the rows, if there are some, or else by their order; and what is to be said."""
    n, m = len(new.predictions.y), len(old.predictions.y)
    if keys:
        chosen = _of_one_mind({name: _matched_by(new, old, key) for name, key in keys.items()}, old)
        name = next(iter(keys))
        what = "what names them" if name == _FILES else _called(name)
        if n != m and not first and not in_one_order(new, old, chosen.rows, but=keys):
            message = (
                f"{new.name}: {what} only numbers its {count(n, 'row')}, so that any of the {m:,} of {old.name} may be missing"
            )
            hint = f"if these are its first ones: `limit={n}`; else name each example in a column of both tables"
            raise InputError(message, hint=hint)
        plain = name == _INDEX or (name == _FILES and _changes(new) >= _CHANGES)
        said = f"Examples are matched by their order: {what} only numbers the rows of both tables."
        return chosen._replace(note=chosen.note if plain else ""), "" if plain else said
    if n != m and not (first and n < m):
        raise InputError(
            f"{old.name}: has {count(m, 'prediction')}, and {new.name} {n:,}",
            hint="both need predictions for the same examples",
        )
    return Matching(np.arange(n)), "Examples are matched by their order: no column of both tables names each example once."


def _changes(new: Side, order: NDArray[np.intp] | slice = slice(None)) -> int:
    """How often the true class is another one than in the row before, in some order of the rows."""
    return int((np.diff(new.predictions.y[order]) != 0).sum())


def _called(column: str) -> str:
    return f"the column '{column}'" if column else "the column without a name"


def _keys(new: Side, old: Side) -> dict[str, _Key]:
    """What tells the examples of both apart, most telling first: their files, their index, and columns that both tables have.

    Of a column most values have to be shared, so that figures of the networks themselves, such as logits, are none.
    """
    found = {}
    if new.files is not None and old.files is not None and each_once(new.files) and each_once(old.files):
        found[_FILES] = _files_in_one_form(new.files, old.files)
    if new.ids is not None and old.ids is not None:
        found[_INDEX] = _Key(*numbers_or_names(new.ids, old.ids), "index {}", f"Examples are matched by {_called(_INDEX)}.")
    for name in shared_columns(new, old):
        mine, theirs = plain_column(new, old, name)
        if each_once(mine) and each_once(theirs) and 2 * len({*mine} & {*theirs}) > min(len(mine), len(theirs)):
            found[name] = _Key(mine, theirs, name + " {}", f"Examples are matched by {_called(name)}.")
    return found


def _files_in_one_form(mine: Names, theirs: Names) -> _Key:
    """The names of files, or else without case and extension, if so the old classifier has all of the new one."""
    mine, theirs = numbers_or_names([name.strip() for name in mine], [name.strip() for name in theirs])
    plain = _ends_of_paths(mine, theirs)
    for form, said in ((str.casefold, "case"), (without_extension, "case and extension")):
        others = [[form(name) for name in names] for names in (mine, theirs)]
        if not {*plain[0]} <= {*plain[1]} and all(map(each_once, others)):
            ends = _ends_of_paths(*others)
            if {*ends[0]} <= {*ends[1]}:
                return _Key(*ends, "{}", f"Files are matched by their names without {said}.")
    cut = plain[0] != mine or plain[1] != theirs
    return _Key(
        *plain,
        "{}",
        f"Files are matched by the ends of their paths, as {plain[0][0]}." if cut else "Files are matched by their names.",
    )


def _of_one_mind(found: dict[str, Matching], old: Side) -> Matching:
    """The first matching; raises InputError if another column says otherwise. An index may: each table has its own order."""
    (first, chosen), *others = found.items()
    for name, one in others:
        if not (first == _FILES and name == _INDEX) and not np.array_equal(one.rows, chosen.rows):
            message = f"{old.name}: the columns '{first}' and '{name}' both tell examples apart, and match them in two ways"
            raise InputError(message, hint="name the right one by `columns`, as file=NAME")
    return chosen


def _matched_by(new: Side, old: Side, key: _Key) -> Matching:
    """Match examples by what both call each one; raises InputError if the old classifier lacks one."""
    place = {name: row for row, name in enumerate(key.theirs)}
    missing = next((name for name in key.mine if name not in place), None)
    if missing is not None:
        hint = f"both need predictions for the same examples, called alike; its first is {key.said.format(key.theirs[0])}"
        raise InputError(f"{old.name}: has no prediction for {key.said.format(missing)}", hint=hint)
    there = set(key.mine)
    others = [name for name in key.theirs if name not in there]
    left = f"{count(len(others), 'example')} of {old.name}, first {key.said.format(others[0])}" if others else ""
    return Matching(np.array([place[name] for name in key.mine], dtype=np.intp), left, note=key.note)


def _ends_of_paths(mine: Names, theirs: Names) -> tuple[Names, Names]:
    """Names of files, cut to the longest ends of their paths by which all of the first are among the second, each once.

    Whole paths where there are no such ends: the same files may lie in other folders.
    """
    parts = [[parts_of_path(file) for file in files] for files in (mine, theirs)]
    deepest = max((len(one) for files in parts for one in files), default=1)
    for kept in range(deepest, 0, -1):
        ends = [["/".join(one[-kept:]) for one in files] for files in parts]
        if all(map(each_once, ends)) and set(ends[0]) <= set(ends[1]):
            return ends[0], ends[1]
    return mine, theirs


def _true_classes(side: Side) -> NDArray[np.object_]:
    """The names of the true classes, (n,)."""
    return np.array(side.predictions.outputs, dtype=object)[side.predictions.y]


def check_truth(new: Side, old: Side, rows: NDArray[np.intp]) -> None:
    """Raise InputError, naming the first example, if both have other true classes."""
    mine, theirs = _true_classes(new), _true_classes(old)
    other = np.flatnonzero(mine != theirs[rows])
    if not len(other):
        return
    k = int(other[0])
    what = new.files[k] if new.files is not None else f"row {k + 1:,}"
    message = f"{old.name}: the true class of {what} is '{theirs[rows][k]}', and '{mine[k]}' in {new.name}"
    raise InputError(message, hint="are these the same examples, in the same order?")
