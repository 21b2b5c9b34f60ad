"""Simulated classifiers whose figures of classes are known: how often the intervals of `dlcli.core.evaluation` hold them.

The logits of an example are normal, that of its class higher by `strength`. Examples of a group share their class and half of
the variance. The true figures are those of 400,000 examples.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from dlcli.core.evaluation.class_metrics import class_metrics
from dlcli.core.evaluation.confusion_figures import confusion_figures
from dlcli.specs.estimates import Estimate, PointEstimate

FIGURES = (
    "precision of a class",
    "recall of a class",
    "F1 of a class",
    "AUC of a class",
    "AP of a class",
    "balanced accuracy",
    "macro precision",
    "macro F1",
    "MCC",
    "macro AUC",
    "macro AP",
)
_MANY = 400_000
Random = np.random.Generator


class Classifier(NamedTuple):
    """A setting: classes, strength of the signal, examples, whether classes differ in size, examples in a group."""

    classes: int
    strength: float
    n: int
    uneven: bool
    size: int


SINGLE = (
    Classifier(2, 0.36, 100, uneven=False, size=1),
    Classifier(2, 1.81, 100, uneven=True, size=1),
    Classifier(2, 1.81, 1000, uneven=True, size=1),
    Classifier(2, 2.9, 300, uneven=False, size=1),
    Classifier(2, 2.9, 5000, uneven=False, size=1),
    Classifier(2, 4.07, 1000, uneven=False, size=1),
    Classifier(3, 2.0, 150, uneven=False, size=1),
    Classifier(3, 4.0, 600, uneven=True, size=1),
    Classifier(3, 1.0, 1500, uneven=False, size=1),
    Classifier(10, 1.9, 1000, uneven=False, size=1),
    Classifier(10, 3.1, 1000, uneven=True, size=1),
    Classifier(10, 4.0, 5000, uneven=False, size=1),
    Classifier(10, 5.0, 1000, uneven=False, size=1),
)
"""Accuracies of 58 to 99.8%."""
GROUPED = (
    Classifier(2, 1.81, 200, uneven=False, size=5),
    Classifier(2, 1.81, 1000, uneven=True, size=20),
    Classifier(3, 3.0, 600, uneven=False, size=10),
    Classifier(3, 1.0, 3000, uneven=False, size=5),
    Classifier(10, 3.1, 1500, uneven=False, size=5),
    Classifier(10, 4.5, 3000, uneven=False, size=20),
)
"""40 to 600 groups."""


def intervals(random: Random, setting: Classifier) -> list[Estimate | PointEstimate | None]:
    """The figures of one sample, as `FIGURES` names them; per class those of the last class, the smallest."""
    return _figures(random, setting, setting.n)


@lru_cache
def truths(setting: Classifier) -> tuple[float, ...]:
    """The true figures."""
    found = _figures(np.random.default_rng(0), setting._replace(size=1), _MANY)
    return tuple(np.nan if one is None else one.value for one in found)


def mistakes(setting: Classifier, figure: int) -> float:
    """How many mistakes are expected that a figure counts; of examples that come in groups, groups with one.

    Of a precision or recall they are those among its examples, of F1 both kinds, of an area the part of the examples of the
    class that it lacks, of the MCC all, and of other means over classes those of the last class, the smallest.
    """
    name, last = FIGURES[figure], setting.classes - 1
    share = _shares(setting)
    if "AUC" in name or "AP" in name:
        return (1 - truths(setting)[figure]) * float(share[last] / share.sum()) * setting.n / setting.size
    missed, called, wrong = _wrong(setting)
    by_name = {"precision of a class": called, "F1 of a class": missed | called, "MCC": wrong}
    units = np.arange(_MANY) // setting.size
    return float(len(np.unique(units[by_name.get(name, missed)]))) * setting.n / _MANY


@lru_cache
def _wrong(setting: Classifier) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Examples of the last class that are missed, others that are called it, and all that are wrong."""
    y, log_p, _ = _drawn(np.random.default_rng(0), setting, _MANY)
    predicted, last = log_p.argmax(1), setting.classes - 1
    return (y == last) & (predicted != last), (y != last) & (predicted == last), y != predicted


def _figures(random: Random, setting: Classifier, n: int) -> list[Estimate | PointEstimate | None]:
    y, log_p, group = _drawn(random, setting, n)
    predicted, last = log_p.argmax(1), setting.classes - 1
    found = class_metrics(y, predicted, range(setting.classes), log_p=log_p, group=group)
    of_class, whole = found.classes[last], confusion_figures(y, predicted, group)
    means = {"macro-auc": of_class.auc, "macro-ap": of_class.ap} | found.means
    single = [of_class.precision, of_class.recall, of_class.f1, of_class.auc, of_class.ap]
    return [*single, *whole.values(), means["macro-auc"], means["macro-ap"]]


def _shares(setting: Classifier) -> NDArray[np.float64]:
    """The weights of classes: alike, or the first one of 9 and the last one of 1."""
    place = np.arange(setting.classes)
    found: NDArray[np.float64] = 9.0 ** (-place / (setting.classes - 1)) if setting.uneven else np.ones(setting.classes)
    return found


def _drawn(
    random: Random, setting: Classifier, n: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64] | None]:
    """Labels, log-probabilities and groups."""
    share = _shares(setting)
    groups = n // setting.size
    y = random.choice(setting.classes, groups, p=share / share.sum()).repeat(setting.size)
    noise = random.normal(size=(n, setting.classes))
    if setting.size == 1:
        return y, log_softmax(noise + setting.strength * np.eye(setting.classes)[y], axis=1), None
    shared = random.normal(size=(groups, setting.classes)).repeat(setting.size, axis=0)
    logits = (noise + shared) / np.sqrt(2) + setting.strength * np.eye(setting.classes)[y]
    return y, log_softmax(logits, axis=1), np.arange(groups).repeat(setting.size)
