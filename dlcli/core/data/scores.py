"""Datasets with scores: what they need to be learned, and those of classes that are called by numbers."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.data.base import SCORE, Array, ImageData, labels_tensor
from dlcli.core.data.class_labels import all_whole_numbers
from dlcli.core.data.score_labels import OUTPUT
from dlcli.support.errors import InputError
from dlcli.support.plural import count

FEWEST = 10
"""The fewest examples with scores that are worth a correlation."""
_TENTHS = 10


def as_scores(data: ImageData) -> ImageData:
    """The dataset with scores; classes that are whole numbers, as of digits, are taken as these.

    Raises InputError if its classes are called otherwise, or it has fewer examples than FEWEST.
    """
    found = data if data.target == SCORE else _of_classes(data)
    n = sum(len(split.y) for split in found.splits.values())
    if n < FEWEST:
        raise InputError(f"{data.name}: {count(n, data.unit)} with a score {'is' if n == 1 else 'are'} too few; give {FEWEST}")
    return found


def score_levels(y: Array) -> NDArray[np.int64]:
    """The level of each score (n,) for balanced sampling: an integer score itself, else its tenth of the range."""
    values = y.astype(np.float64)
    if (values == np.round(values)).all():
        return values.astype(np.int64)
    low, span = values.min(), float(np.ptp(values))
    found: NDArray[np.int64] = np.minimum((values - low) / span * _TENTHS, _TENTHS - 1).astype(np.int64)
    return found


def _of_classes(data: ImageData) -> ImageData:
    if not all_whole_numbers(data.classes):
        other = next(name for name in data.classes if not all_whole_numbers([name]))
        hint = "classes that are numbers can be scores, and so can a column of labels.csv"
        raise InputError(f"{data.name}: has classes such as '{other}', and no scores", hint=hint)
    values = np.array([float(name) for name in data.classes])

    def scored(y: Tensor) -> Tensor:
        return labels_tensor(values[y.numpy()])

    extra_splits = {name: replace(split, y=scored(split.y)) for name, split in data.extra_splits.items()}
    return replace(data, y_train=scored(data.y_train), y_test=scored(data.y_test), classes=OUTPUT, extra_splits=extra_splits)
