"""The labels of a table of predictions as its cells hold them: none missing, and each class in one notation."""

import re
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.class_labels import called_alike
from dlcli.core.data.file_kinds import composed
from dlcli.core.evaluation.label_numbering import counted_otherwise
from dlcli.core.evaluation.positive_class import known_pair
from dlcli.core.evaluation.prediction_roles import Roles
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

MISSING = ("nan", "<na>", "#n/a")
"""What programs write for a value that is missing, in small letters."""
_MAY_BE_MISSING = ("na", "n/a", "none", "null", "nil", "missing", ".", "-", "--", "?")
"""The same where it may be a class as well."""
_WITH_POINT = re.compile(r"(-?\d+)\.0*")
"""A whole number in the notation of floats, which gaps in a column make."""
_WHOLE = re.compile(r"-?\d+")
_JOINTS = re.compile(r"(?<=[^\W_])[\s_\-]+(?=[^\W_])")
_NOT_BETWEEN_DIGITS = re.compile(r"(?<!\d) | (?!\d)")
_BETWEEN = re.compile(r"[;,|]")
"""What stands between the members of a set of labels."""

Texts = NDArray[np.object_]


def label_cells(table: Table, roles: Roles, cells: dict[str, Texts]) -> tuple[Texts, Texts | None]:
    """The true labels and the predicted ones, each (n,).

    Whole numbers in the notation of floats lose it where all labels of a column have it, or where both notations occur.

    Args:
        table: The table.
        roles: Which columns hold them.
        cells: The texts of the columns, (n,) each.

    Returns:
        Both; None for the predicted ones if there is no such column.

    Raises:
        InputError: If a label is missing, or a list; names the row.
    """
    if roles.truth is None:
        raise ValueError("there are no true labels")
    found = {name: _labels(table, name, cells[name]) for name in (roles.truth, roles.label) if name is not None}
    both = {text for column in found.values() for text in column}
    if any(text != without_point(text) and without_point(text) in both for text in both):
        for column in found.values():
            column[:] = [without_point(text) for text in column]
    _check_missing(table, found)
    return found[roles.truth], None if roles.label is None else found[roles.label]


def _check_missing(table: Table, found: dict[str, Texts]) -> None:
    """Raise InputError if a label may be a missing one: beside numbers or a known pair, or in one of two columns alone."""
    columns = [{*column} for column in found.values()]
    odd = {text for text in set().union(*columns) if text.casefold() in _MAY_BE_MISSING}
    others = set().union(*columns) - odd
    plain = bool(others) and (all(map(_WHOLE.fullmatch, others)) or known_pair(others) is not None)
    for text in sorted(odd):
        if plain or any(text not in column for column in columns):
            name = next(name for name, column in found.items() if text in column)
            where = f"{table.name}: row {int((found[name] == text).argmax()) + 1}, column '{name}'"
            raise InputError(f"{where}: '{text}' may be a missing label", hint="omit such rows, or rename the class")


def _labels(table: Table, name: str, column: Texts) -> Texts:
    """Labels without blanks around them."""
    found = np.empty(len(column), dtype=object)
    found[:] = [text.strip() for text in column]
    place = table.columns.index(name)
    for row, text in enumerate(found):
        where = f"{table.name}: row {row + 1}, column '{name}'"
        if not text:
            raise InputError(f"{where}: the label is empty")
        if text.casefold() in MISSING:
            raise InputError(f"{where}: '{text}' is a missing label", hint="omit such rows; a class needs another name")
        if isinstance(table.rows[row][place], list | dict):
            raise InputError(f"{where}: holds several labels", hint="write one row for each example")
    if all(map(_WITH_POINT.fullmatch, found)):
        found[:] = [without_point(text) for text in found]
    return found


def without_point(text: str) -> str:
    """A whole number without point and zeros behind it; other texts as they are."""
    return found[1] if (found := _WITH_POINT.fullmatch(text)) else text


def check_pair(table: Table, seen: Collection[str]) -> None:
    """Raise InputError if labels of a known pair, as false and true, are in several notations: they would be three classes."""
    lower: dict[str, str] = {}
    twice = [(lower[key], one) for one in sorted(seen) if lower.setdefault(key := one.lower(), one) != one]
    if twice and known_pair(seen):
        first, second = twice[0]
        message = f"{table.name}: '{first}' and '{second}' are one label in two notations"
        raise InputError(message, hint="write all labels in one notation")


def check_scores(table: Table, roles: Roles, truth: Texts, label: Texts | None) -> None:
    """Refuse labels that are scores, and predicted ones that are probabilities: numbers with fractions.

    Args:
        table: The table.
        roles: Which columns hold the labels.
        truth: The true ones, (n,).
        label: The predicted ones, (n,); None without such a column.

    Raises:
        InputError: If there are such; names the row.
    """
    if any(map(_is_fraction, set(truth))):
        _check_few(table, roles, truth, label)
        return
    odd = None if label is None else next((row for row, text in enumerate(label) if _is_fraction(text)), None)
    if label is None or odd is None:
        return
    message = f"{table.name}: row {odd + 1}, column '{roles.label}': '{label[odd]}' is not a label such as '{truth[odd]}'"
    hint = "name the columns by `columns`: truth=NAME,label=NAME, or probability=NAME for a probability"
    raise InputError(message, hint=hint)


def _check_few(table: Table, roles: Roles, truth: Texts, label: Texts | None) -> None:
    """Raise InputError if numbers with fractions are scores: most are there once, or most predicted ones are no true one.

    Classes may be called so, as those of half stars.
    """
    known = set(truth)
    strange = 0 if label is None else sum(text not in known for text in label)
    if len(truth) < 3 or (2 * len(known) <= len(truth) and 2 * strange <= len(truth)):
        return
    row = next(row for row, text in enumerate(truth) if _is_fraction(text))
    message = f"{table.name}: row {row + 1}, column '{roles.truth}': '{truth[row]}' is a number with a fraction, not a class"
    raise InputError(message, hint="scores are evaluated with the network that predicts them, trained with `task=score`")


def _is_fraction(text: str) -> bool:
    """Whether a text is a number that is not whole."""
    try:
        return not float(text).is_integer()
    except (ValueError, OverflowError):
        return False


def common_labels(table: Table, roles: Roles, truth: Texts, label: Texts | None, *, named: bool) -> tuple[str, ...]:
    """That no predicted label is a true one, or most are the number beside it, which may be so if the user names both columns.

    Args:
        table: The table.
        roles: Which columns hold the labels.
        truth: The true ones, (n,).
        label: The predicted ones, (n,); None without such a column.
        named: Whether the user names both columns.

    Returns:
        A note if it is so.

    Raises:
        InputError: If one of the columns may hold something else, or both are in different notations.
    """
    known = set(truth)
    if label is None or len(label) < 2:
        return ()
    hint = "write both columns in one notation, or name the columns by `columns`: truth=NAME,label=NAME"
    if shifted := _counted_otherwise(truth, label):
        if not named:
            raise InputError(f"{table.name}: {shifted}", hint=hint)
        return (f"{shifted[0].upper()}{shifted[1:]}: such rows count as wrong.",)
    if not named and (said := _two_notations(roles, known, {*label})):
        raise InputError(f"{table.name}: {said}", hint=hint)
    if not known.isdisjoint(label):
        return ()
    message = f"{table.name}: row 1, column '{roles.label}': '{label[0]}' is not a label such as '{truth[0]}'"
    if how := _other_notation(known, set(label)):
        raise InputError(f"{message}: {how}", hint=hint)
    if not named:
        hint = "name the columns by `columns`: truth=NAME,label=NAME, or probability=NAME for a probability"
        raise InputError(message, hint=hint)
    return (f"No predicted label, such as '{label[0]}', is the true label of any row: all rows count as wrong.",)


def _two_notations(roles: Roles, truth: set[str], label: set[str]) -> str:
    """That a true label which is never predicted and a predicted one which is never true differ in notation; "" if none do.

    Where no label is both, another message says why.
    """
    if truth | label == {"-1", "0", "1"} and truth & label <= {"1"}:
        return f"one of the columns '{roles.truth}' and '{roles.label}' has -1, the other 0"
    spelled = {} if truth.isdisjoint(label) else {_spelling(text): text for text in sorted(truth - label)}
    other = next((text for text in sorted(label - truth) if _spelling(text) in spelled), None)
    if other is None:
        return ""
    true = spelled[_spelling(other)]
    return f"'{true}' is only in the column '{roles.truth}', and '{other}' only in '{roles.label}': they may be one class"


def _spelling(text: str) -> tuple[str, ...]:
    """A label without case and joints; of a set of labels as `a;b`, its members in order."""
    parts = [_NOT_BETWEEN_DIGITS.sub("", _JOINTS.sub(" ", part.strip())) for part in _BETWEEN.split(composed(text).casefold())]
    return tuple(sorted(part for part in parts if part)) or (text,)


def _counted_otherwise(truth: Texts, label: Texts) -> str:
    """That predicted labels are the number beside the true one more often than that; "" if they are not."""
    if not all(map(_WHOLE.fullmatch, {*truth, *label})):
        return ""
    true, guess = (np.array([int(text) for text in column]) for column in (truth, label))
    known = {*map(int, guess)}
    if not (beside := counted_otherwise(true, guess, known, all_known=False)):
        return ""
    times = int((guess + beside == true).sum())
    rows = (
        f"in {times:,} of {count(len(truth), 'row')} the predicted label is the true one {'minus' if beside > 0 else 'plus'} 1"
    )
    return f"{rows}, as where labels are counted from {min(true)} in one column and from {min(known)} in the other"


def _other_notation(truth: set[str], label: set[str]) -> str:
    """How the notations of true and predicted labels differ, none of which are the same; "" if they do not."""
    pairs = known_pair(truth), known_pair(label)
    if pairs[0] and pairs[1] and pairs[0] != pairs[1]:
        true, predicted = ("/".join(pair) for pair in pairs if pair)
        return f"the true labels are {true}, the predicted ones {predicted}"
    whole = [sum(map(bool, map(_WHOLE.fullmatch, labels))) / len(labels) for labels in (truth, label)]
    if sorted(whole) == [0, 1]:
        return "one column holds numbers, the other names"
    return called_alike(sorted(truth | label))
