"""Of two classes one column of probabilities is enough: whose it is follows from the predicted labels."""

from math import comb

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.metrics import Floats
from dlcli.core.evaluation.predictions import Predictions
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.tables import Table

_ORDERS = 20
"""From this many orders of the rows on, few tables show a threshold between both predicted classes by chance: 5%."""


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
    if len(below) and not known:
        row = int(below[0])
        message = f"{table.name}: row {row + 1}: {sure[row]:g} cannot be the probability of the predicted one of two classes"
        known_of = f", and neither '{outputs[0]}' nor '{outputs[1]}' is known to be the positive one"
        raise InputError(message + known_of, hint="give a column of probabilities for each class")
    of_predicted = np.where(predicted == 1, sure, 1 - sure)
    whose = "The probability is that of {}, since {}.".format
    if not len(below):
        if known and not of_label and follow_from(predicted, sure) and many_orders(predicted):
            p, note = sure, whose(f"'{outputs[1]}'", "the predicted labels are those from a threshold on")
        else:
            p, note = of_predicted, whose("the predicted label", "it is at least one half in every row")
    else:
        readings = [(sure, f"'{outputs[1]}'"), (of_predicted, "the predicted label"), (1 - sure, f"'{outputs[0]}'")]
        fits = [_misfit(predicted, one) for one, _ in readings]
        best = [reading for reading, fit in zip(readings, fits, strict=True) if fit == min(fits)]
        p, name = best[0]
        if other := next((name for one, name in best if not np.array_equal(one, p)), None):
            message = f"{table.name}: the probability may be that of {name} or of {other}: the predicted labels fit both alike"
            raise InputError(message, hint="give a column of probabilities for each class")
        note = whose(name, "the predicted labels fit that best")
    both = np.stack([1 - p, p], axis=1)
    return with_both(y, predicted, outputs, both), (note, *less_probable_notes(both, predicted))


def _misfit(predicted: NDArray[np.int64], p: Floats) -> tuple[bool, int]:
    """How badly labels fit probabilities of the second class: if no threshold gives them, and how many one half does not."""
    return not follow_from(predicted, p), int(((p >= 0.5) != (predicted == 1)).sum())


def follow_from(predicted: NDArray[np.int64], p: Floats) -> bool:
    """Whether both of two classes are predicted, the second from a threshold of `p`, (n,), on."""
    first, second = p[predicted == 0], p[predicted == 1]
    return bool(len(first) and len(second) and second.min() > first.max())


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
