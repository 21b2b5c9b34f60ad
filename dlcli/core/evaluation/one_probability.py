"""Of two classes one column of probabilities is enough: whose it is follows from the predicted labels."""

from collections.abc import Sequence
from dataclasses import replace
from math import comb, inf

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import plain_name
from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

UNCLEAR = ("score", "yscore", "p")
"""Names that columns of something else have too."""
_UNLIKE = 4
"""One row in this many may have the less probable of two classes where no threshold gives the labels."""
_MOST_ROUNDED = 0.05
"""How far a probability may be rounded at most."""
_ORDERS = 20
"""From this many orders of the rows on, few tables show a threshold between both predicted classes by chance: 5%."""
AS_TRUE = "it is above one half where the predicted label is right, and below where it is wrong, as that of the true class"

Texts = NDArray[np.object_]


def of_two_classes(
    table: Table,
    y: NDArray[np.int64],
    predicted: NDArray[np.int64],
    outputs: tuple[str, ...],
    sure: Floats,
    *,
    known: bool,
    of_label: bool,
) -> tuple[Predictions, tuple[str, ...]]:
    """Predictions of two classes, with one probability each: that of the second class, of the first or of the predicted one.

    Args:
        table: What holds them, for messages.
        y: The true classes, (n,).
        predicted: The predicted ones, (n,).
        outputs: Both names.
        sure: The probabilities, (n,).
        known: Whether the second class is known to be the positive one.
        of_label: Whether the column is called like the probability of the predicted class.

    Returns:
        The predictions, and how the column was read.

    Raises:
        InputError: If the probabilities can be those of neither, or the labels do not show whose they are.
    """
    below = np.flatnonzero(sure < 0.5)
    if not known and (why := of_neither(predicted, sure)):
        known_of = f", and neither '{outputs[0]}' nor '{outputs[1]}' is known to be the positive one"
        raise InputError(f"{table.name}: {why}{known_of}", hint="give a column of probabilities for each class")
    of_predicted = np.where(predicted == 1, sure, 1 - sure)
    whose = "The probability is that of {}, since {}.".format
    if not len(below):
        if known and not of_label and follow_from(predicted, sure) and many_orders(predicted):
            p, note = sure, whose(f"'{outputs[1]}'", "the predicted labels are those from a threshold on")
        else:
            p, note = of_predicted, whose("the predicted label", "it is at least one half in every row")
            note = note if known else f"{note[:-1]}; the two classes that occur are taken for all."
    else:
        readings = [(sure, f"'{outputs[1]}'"), (of_predicted, "the predicted label"), (1 - sure, f"'{outputs[0]}'")]
        fits = [_misfit(predicted, one) for one, _ in readings]
        several = [reading for reading, fit in zip(readings, fits, strict=True) if not fit[0]]
        exact = not any(min(fits))
        best = [reading for reading, fit in zip(readings, fits, strict=True) if fit == min(fits)]
        best = several if len(several) > 1 and not exact else best
        p, name = best[0]
        if other := next((name for one, name in best if not np.array_equal(one, p)), None):
            message = f"{table.name}: the probability may be that of {name} or of {other}: the predicted labels fit both alike"
            raise InputError(message, hint="give a column of probabilities for each class")
        note = whose(name, "the predicted labels fit that best")
    if not known and np.array_equal(p, 1 - sure):
        # A column of one class is the score of that class, which is the positive one then.
        y, predicted, outputs, p = 1 - y, 1 - predicted, outputs[::-1], sure
    both = np.stack([1 - p, p], axis=1)
    return with_both(y, predicted, outputs, both), (note, *less_probable_notes(both, predicted))


def of_neither(predicted: NDArray[np.int64], p: Floats) -> str:
    """Why numbers are the probability neither of the predicted one of two classes nor of one of both; "" if they may be.

    Args:
        predicted: The predicted classes, (n,).
        p: The numbers, (n,).
    """
    below = np.flatnonzero(p < 0.5)
    if not len(below) or (many_orders(predicted) and _of_either(predicted, p)):
        return ""
    return f"row {below[0] + 1}: {p[below[0]]:g} cannot be the probability of the predicted one of two classes"


def _of_either(predicted: NDArray[np.int64], p: Floats) -> bool:
    """Whether labels are of one class from a threshold of `p` on: it is the probability of that class, whichever it is."""
    return follow_from(predicted, p) or follow_from(predicted, 1 - p)


def _misfit(predicted: NDArray[np.int64], p: Floats) -> tuple[bool, int]:
    """How badly labels fit probabilities of the second class: if no threshold gives them, and how many one half does not."""
    return not follow_from(predicted, p), int(((p >= 0.5) != (predicted == 1)).sum())


def follow_from(predicted: NDArray[np.int64], p: Floats) -> bool:
    """Whether both of two classes are predicted, the second from a threshold of `p`, (n,), on."""
    first, second = p[predicted == 0], p[predicted == 1]
    return bool(len(first) and len(second) and second.min() > first.max())


def if_possible(
    predictions: Predictions, notes: Sequence[str], name: str, column: Texts
) -> tuple[Predictions, tuple[str, ...]]:
    """Predictions without their probabilities, if these can hardly be those of the predicted labels.

    Args:
        predictions: Predictions with one probability each.
        notes: How these were read.
        name: The column of the probabilities.
        column: Its cells, (n,).

    Returns:
        The predictions, and how they were read.
    """
    two = predictions.log_p is not None
    if why := _unlike_two(predictions) if two else _below_all(predictions, column):
        plain = replace(predictions, log_p=None, confidence=None)
        return plain, (f"The column '{name}' is not used: {why}; `columns` names it, as probability={name}, if it is one.",)
    if not two and plain_name(name) in UNCLEAR:
        return predictions, (*notes, f"The column '{name}' is taken for the probability of the predicted label.")
    return predictions, tuple(notes)


def _unlike_two(predictions: Predictions) -> str:
    """Why probabilities of two classes are not those that gave the labels; "" if they may be."""
    if predictions.log_p is None or len({*predictions.predicted.tolist()}) < 2:
        return ""
    p = np.exp(predictions.log_p)
    other = int(less_probable(p, predictions.predicted).sum())
    if follow_from(predictions.predicted, p[:, 1]) or follow_from(predictions.predicted, p[:, 0]):
        return ""
    given = (p[:, 1], p[np.arange(len(p)), predictions.predicted])
    if other and any(of_true_class(one, predictions.correct) for one in given):
        return AS_TRUE
    if _UNLIKE * other <= len(p):
        return ""
    return f"in {count(other, 'row')} of {len(p):,} it is not that of the predicted label, and no threshold gives the labels"


def _below_all(predictions: Predictions, column: Texts) -> str:
    """Why a probability is not that of the most probable of several classes; "" if it may be."""
    if predictions.confidence is None or len(predictions.outputs) < 3:
        return ""
    classes = _how_many(predictions)
    digits = max(len(text.strip().partition(".")[2]) for text in column)
    rounded = min(_MOST_ROUNDED, 0.5 * 10.0**-digits)
    rows = np.flatnonzero(predictions.confidence < 1 / classes - rounded - 1e-9)
    if not len(rows):
        return ""
    what = f"as that of the most probable of {classes:,.0f} classes cannot be"
    return f"in {count(len(rows), 'row')} it is below {1 / classes:.3g}, {what}, in row {rows[0] + 1} first"


def _how_many(predictions: Predictions) -> float:
    """How many classes there are at most: those that occur, and twice as many others as Chao's estimate has.

    Where most of them occur once this has no bound.

    Chao (1984), Nonparametric Estimation of the Number of Classes in a Population, in the form that corrects its bias.
    """
    times = np.bincount(predictions.y)
    once, twice = int((times == 1).sum()), int((times == 2).sum())
    if 2 * once > (times > 0).sum():
        return inf
    return len(predictions.outputs) + once * (once - 1) / (twice + 1)


def of_true_class(p: Floats, correct: NDArray[np.bool_]) -> bool:
    """Whether a column of two classes is the probability of the true one: one half or more where the label is right, else less.

    Args:
        p: The column, (n,), or 1 less it.
        correct: Which rows are right, (n,).
    """
    return bool(correct.any() and not correct.all()) and any(
        np.array_equal(one > 0.5, correct) and not (one == 0.5).any() for one in (p, 1 - p)
    )


def many_orders(predicted: NDArray[np.int64]) -> bool:
    """Whether labels of two classes, (n,), have enough orders that they hardly follow from a threshold by chance."""
    return comb(len(predicted), int(predicted.sum())) >= _ORDERS


def with_both(y: NDArray[np.int64], predicted: NDArray[np.int64], outputs: tuple[str, ...], p: Floats) -> Predictions:
    """Predictions with the probabilities of both classes.

    Args:
        y: The true classes, (n,).
        predicted: The predicted ones, (n,).
        outputs: Both names.
        p: The probabilities, (n, 2).
    """
    with np.errstate(divide="ignore"):
        return Predictions(y, predicted, outputs, np.log(p), p[np.arange(len(y)), predicted])


def less_probable(p: Floats, predicted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where another class than the predicted one is the most probable, (n,).

    Args:
        p: The probabilities of all classes, (n, classes).
        predicted: The number of the predicted class, (n,).
    """
    found: NDArray[np.bool_] = p[np.arange(len(p)), predicted] < p.max(1) - 1e-9
    return found


def less_probable_notes(p: Floats, predicted: NDArray[np.int64]) -> list[str]:
    """In how many rows the predicted label is not the most probable one."""
    other = int(less_probable(p, predicted).sum())
    said = f"In {count(other, 'row')} the predicted label is not the most probable class; accuracy goes by the label."
    return [said] if other else []
