"""What the columns of two tables tell about rows that nothing but their numbers or their order matches."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.file_kinds import PICTURES, SOUNDS, VIDEOS
from dlcli.core.evaluation.example_names import WHOLE, whole_or_text
from dlcli.engines.eval.side import (
    Names,
    Side,
    each_once,
    parts_of_path,
    plain_column,
    regular,
    shared_columns,
    telling_columns,
)
from dlcli.support.errors import InputError

_TELLING = 5
"""Two networks hardly give a column of this many values the same numbers of each by chance, in another order."""
_EXTENSION = re.compile(r"\.[a-z]\w{0,4}$")
_HINT = "the rows are in another order: sort both alike, or give each example one name in a column of both tables"

Rows = NDArray[np.intp]


def in_one_order(new: Side, old: Side, rows: Rows, but: Collection[str] = ()) -> bool:
    """Whether a column shows that rows are the same examples.

    Args:
        new: The new classifier.
        old: The old one.
        rows: The row of the old one for each example of the new one, (n,).
        but: Columns that show nothing, since rows are matched by them.

    Raises:
        InputError: If a column shows that they are others.
    """
    _check_files(new, old, rows)
    named = names_most(new, old, rows)
    same = [name for name in shared_columns(new, old) if name not in named and _same_values(new, old, rows, name)]
    return not {*named, *same} <= {*but}


def names_most(new: Side, old: Side, rows: Rows) -> list[str]:
    """The columns that name at least half of the examples, in whatever form.

    Args:
        new: The new classifier.
        old: The old one.
        rows: The row of the old one for each example of the new one, (n,).

    Returns:
        Their names.

    Raises:
        InputError: If one names others in these rows.
    """
    return [name for name, mine, theirs in telling_columns(new, old) if _names_most(new, old, rows, name, mine, theirs)]


def _names_most(new: Side, old: Side, rows: Rows, name: str, mine: Names, theirs: Names) -> bool:
    """Whether a column is one of `names_most`.

    A figure of the networks, such as a logit, hardly has half of its values in common that are there once in both tables. Where
    such a column names other rows otherwise, these are other examples, unless a name is missing.
    """
    forms: Sequence[Callable[[str], str]] = (str, _without_form)
    for form in forms:
        ours, others = [form(one) for one in mine], [form(theirs[row]) for row in rows]
        once = [{one for one, times in Counter(names).items() if times == 1} for names in (ours, others)]
        shared = once[0] & once[1]
        if len(shared) > 1 and 2 * len(shared) >= len(ours):
            for k, (one, other) in enumerate(zip(ours, others, strict=True)):
                if one != other and (one in shared or not (_missing(one) or _missing(other))):
                    raise InputError(_differing(new, old, rows, k, name, mine[k], theirs[rows[k]]), hint=_HINT)
            return True
    return False


def _missing(name: str) -> bool:
    return not any(map(str.isalnum, name)) or name in ("nan", "none", "null")


def _differing(new: Side, old: Side, rows: Rows, k: int, name: str, mine: str, theirs: str) -> str:
    return f"{old.name}: row {rows[k] + 1:,}, column '{name}': '{theirs}', and '{mine}' in {new.name}"


def _without_form(name: str) -> str:
    """What a file is called, without folders and extension, or an example, without case and zeros around a whole number."""
    plain = name.strip().casefold()
    return whole_or_text(without_extension(parts_of_path(plain)[-1]) if _is_file(plain) else plain)


def without_extension(file: str) -> str:
    """The name of a file without case and extension."""
    return _EXTENSION.sub("", file.casefold())


def _is_file(name: str) -> bool:
    return any(kind.matches(Path(name)) for kind in (PICTURES, VIDEOS, SOUNDS))


def _same_values(new: Side, old: Side, rows: Rows, name: str) -> bool:
    """Whether a column with several values is the same in every row; raises InputError if it is in others, or of others.

    Numbers at equal distances in both tables count rows, or are ranks: they show nothing.
    """
    mine, others = plain_column(new, old, name)
    if regular(mine) and regular(others):
        return False
    theirs = [others[row] for row in rows]
    if list(mine) == theirs:
        return len({*mine}) >= _TELLING
    if _names_others(mine, others):
        other = next(one for one in mine if one not in {*others})
        message = f"{old.name}: column '{name}' has another value in each row, and '{other}' of {new.name} in none"
        raise InputError(message, hint="give both the same examples, called alike, or drop the column")
    if len({*mine}) >= _TELLING and sorted(mine) == sorted(theirs):
        k = next(k for k, (one, other) in enumerate(zip(mine, theirs, strict=True)) if one != other)
        raise InputError(_differing(new, old, rows, k, name, mine[k], theirs[k]), hint=_HINT)
    return False


def moved_values(new: Side, old: Side, rows: Rows) -> str:
    """That a column has the same values in both tables, each as often, but in other rows; "" if none has.

    Few values may be so by chance, as whether a network was right.
    """
    for name in shared_columns(new, old):
        mine, others = plain_column(new, old, name)
        theirs = [others[row] for row in rows]
        if list(mine) != theirs and sorted(mine) == sorted(theirs) and not (regular(mine) and regular(others)):
            k = next(k for k, (one, other) in enumerate(zip(mine, theirs, strict=True)) if one != other)
            return f"The rows may be in two orders, {_differing(new, old, rows, k, name, mine[k], theirs[k])}."
    return ""


def _names_others(mine: Names, theirs: Names) -> bool:
    """Whether a column names the examples of both tables, which are others: text, or whole numbers of which some agree."""
    if not (each_once(mine) and each_once(theirs) and len(mine) > 1):
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


def _check_files(new: Side, old: Side, rows: Rows) -> None:
    """Refuse rows in another order, where both name files that are not each named once."""
    if new.files is None or old.files is None or (each_once(new.files) and each_once(old.files)):
        return
    theirs = [old.files[row] for row in rows]
    above = [_folders_above(*files) for files in zip(new.files, theirs, strict=True)]
    roots = min((one for one in above if one is not None), key=lambda one: len(one[0]), default=None)
    other = next((k for k, one in enumerate(above) if one is None or one != roots), None)
    if other is None:
        return
    message = f"{old.name}: row {rows[other] + 1:,} is {theirs[other]}, and {new.files[other]} in {new.name}"
    hint = "files that several rows name are matched in their order: sort both alike, or give each row its own index"
    raise InputError(message, hint=hint)


def _folders_above(mine: str, theirs: str) -> tuple[list[str], list[str]] | None:
    """The folders of two paths above the longest end that they share; None if they share none."""
    parts = parts_of_path(mine), parts_of_path(theirs)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*map(reversed, parts), strict=False)))
    return (parts[0][:-shared], parts[1][:-shared]) if shared else None
