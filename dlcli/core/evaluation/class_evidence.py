"""Whether the labels bear out what columns of probabilities are called: these may be numbered otherwise than the labels."""

import re
from collections.abc import Collection, Sequence
from math import factorial

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.class_probabilities import ClassColumns
from dlcli.core.evaluation.class_shares import a_few
from dlcli.core.evaluation.label_numbering import clearly_more, counted_otherwise
from dlcli.core.evaluation.one_probability import AS_TRUE, follow_from, less_probable, many_orders, of_true_class
from dlcli.core.evaluation.positive_class import known_pair
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.errors import InputError
from dlcli.support.plural import count

_WHOLE = re.compile(r"-?\d+")
_ORDERS = 20
"""From this many orders of the columns on, they are hardly sorted by chance: 5%."""

Labels = NDArray[np.int64]
Texts = NDArray[np.object_]


def check_evidence(
    source: str, found: ClassColumns, predictions: Predictions, *, labelled: bool, named: Collection[str], confirmed: bool
) -> None:
    """Refuse columns of probabilities of classes that the labels contradict.

    Args:
        source: Name of the table.
        found: The columns.
        predictions: What was read with them.
        labelled: Whether there is a column of predicted labels.
        named: The roles of the columns that the user names.
        confirmed: Whether the table itself says which predictions are right.

    Raises:
        InputError: If they hold labels or are sorted in each row, if the predicted label is not the most probable class in most
            rows, or if the true labels are the predicted ones plus or minus 1 more often than these.
    """
    if "classes" in named:
        return
    way = f"probability={found.columns[0]}" if len(found.columns) == 1 else "classes=PREFIX"
    hint = f"rename the columns as the labels that they are of, or name them by `columns`, as {way}"
    why = _one_hot(found, predictions, labelled=labelled) or (_unlike(found, predictions) if labelled else "")
    if not why and not confirmed and not {"truth", "label"} <= {*named}:
        why = _shifted(found.classes, predictions.y, predictions.predicted)
        why = why or ("" if labelled else _reversed(found, predictions))
    why = why or ("" if confirmed else _by_rank(found, predictions, labelled=labelled))
    if why:
        raise InputError(f"{source}: {why}, by the columns {a_few(found.columns)}", hint=hint)


def _one_hot(found: ClassColumns, predictions: Predictions, *, labelled: bool) -> str:
    """That columns of zeros and a one are true labels, or those of another network; "" if they are not."""
    if not np.isin(found.p, (0.0, 1.0)).all() or len(predictions.y) < 2:
        return ""
    other = int((found.p.argmax(1) != predictions.predicted).sum())
    if labelled and other:
        return f"in {other:,} of {count(len(predictions.y), 'row')} a class is 1 that is not the predicted label"
    return "" if labelled or not predictions.correct.all() else "the true class is 1 and the others are 0 in every row"


def _unlike(found: ClassColumns, predictions: Predictions) -> str:
    """That the predicted label is not the most probable class in most rows, or of two classes the less probable it is the more.

    Of two classes a threshold may have given the labels, however many of them are less probable then.
    """
    predicted, n = predictions.predicted, len(predictions.y)
    two = len(found.classes) == 2 and many_orders(predicted)
    if two and follow_from(predicted, found.p[:, 1]):
        return ""
    if two and follow_from(predicted, found.p[:, 0]):
        return "the predicted label is that of the class below a threshold"
    other = int(less_probable(found.p, predicted).sum())
    if other and len(found.columns) == 1 and of_true_class(found.p[:, 1], predictions.correct):
        return AS_TRUE
    if other and len(found.columns) == 1 and len({*predicted.tolist()}) == 2 and (found.p >= 0.5).all(0).any():
        return "one half and more in every row is the probability of the predicted label rather than of one class"
    return f"in {other:,} of {count(n, 'row')} the predicted label is not the most probable class" if 2 * other > n else ""


def _shifted(classes: Sequence[str], y: Labels, predicted: Labels) -> str:
    """That true labels are the predicted ones plus or minus 1 more often than these; "" if they are not."""
    if not all(map(_WHOLE.fullmatch, classes)):
        return ""
    numbers = np.array([int(name) for name in classes])
    true, guess = numbers[y], numbers[predicted]
    if not (beside := counted_otherwise(true, guess, numbers.tolist(), all_known=True)):
        return ""
    times, right = (int((guess + more == true).sum()) for more in (beside, 0))
    sign = "plus" if beside > 0 else "minus"
    rows = f"in {times:,} of {count(len(y), 'row')} the true label is the predicted class {sign} 1"
    return f"{rows}, and in {right:,} that class"


def are_ranks(found: ClassColumns, label: Texts) -> bool:
    """Whether columns numbered from 0 or 1 on fall in each row although the first class is not always the predicted one.

    Args:
        found: The columns.
        label: The predicted labels, (n,).
    """
    number = {name: k for k, name in enumerate(found.classes)}
    if not {*label} <= number.keys() or len(number) < 3:
        return False
    predicted = np.array([number[text] for text in label], dtype=np.int64)
    return _falls(found) and bool(2 * less_probable(found.p, predicted).sum() > len(label))


def _falls(found: ClassColumns) -> bool:
    """Whether columns numbered from 0 or 1 on fall from the first to the last in each row, and rows differ."""
    if not all(map(_WHOLE.fullmatch, found.classes)):
        return False
    numbers = np.array([int(name) for name in found.classes])
    if sorted(numbers.tolist()) not in (list(range(len(numbers))), list(range(1, len(numbers) + 1))):
        return False
    p = found.p[:, np.argsort(numbers)]
    return bool((np.diff(p, axis=1) <= 0).all()) and bool((p != p[0]).any())


def _by_rank(found: ClassColumns, predictions: Predictions, *, labelled: bool) -> str:
    """That columns numbered from 0 or 1 on fall from the first to the last in each row, as by rank; "" if they do not.

    Of two classes, of which one may always be the more probable, only if the other one is predicted all the same. Not where all
    rows are alike, as of a network that has learned how frequent classes are.
    """
    n, predicted = len(found.p), predictions.predicted
    if not _falls(found) or factorial(len(found.classes)) ** n < _ORDERS:
        return ""
    from_one = min(map(int, found.classes)) == 1
    other = labelled and from_one and not follow_from(predicted, found.p[:, 1]) and len({*predicted.tolist()}) > 1
    if len(found.classes) < 3 and not other:
        return ""
    return "probabilities fall from the first to the last in every row, as those of ranks, not of classes"


def _reversed(found: ClassColumns, predictions: Predictions) -> str:
    """That the one column of a number fits the other label; "" if not, or if these are 0 and 1, which name its class."""
    right, n = int(predictions.correct.sum()), len(predictions.y)
    plain = len(found.columns) > 1 or known_pair(found.classes) or not all(map(_WHOLE.fullmatch, found.classes))
    if plain or not clearly_more(n - right, right, n):
        return ""
    return f"in {n - right:,} of {count(n, 'row')} the true label is the less probable of two classes"
