"""A training set of which few examples keep their labels."""

from typing import NamedTuple

import numpy as np

from dlcli.core.data.base import ImageData, Split, draw_of_each
from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.seeds import derive


class FewLabels(NamedTuple):
    """The dataset with the labelled examples as training set, and the others, whose labels nothing may be trained on."""

    data: ImageData
    rest: Split


def with_few_labels(data: ImageData, n: int, seed: int) -> FewLabels:
    """Draw about `n` labelled examples of the training set, equally many of each class.

    Fewer examples are a part of more from the same seed. Labels of the others count in the draw only.

    Args:
        data: The dataset; its other sets stay as they are.
        n: How many; rounded down to a multiple of the number of classes. A class with fewer examples gives all it has.
        seed: Of the draw.

    Returns:
        The two parts.

    Raises:
        UsageError: If `n` is below the number of classes of the training set, or above its size.
    """
    classes = len(data.y_train.unique())
    if not classes <= n <= len(data.y_train):
        message = (
            f"`labels`: {n} of {count(len(data.y_train), f'training {data.unit}')} of "
            f"{count(classes, 'class', 'classes')} cannot be drawn"
        )
        raise UsageError(message, hint=f"choose from {classes} to {len(data.y_train)}")
    train = data.splits["train"]
    drawn = draw_of_each(data.y_train.numpy(), n // classes, derive(seed, "labels"))
    rest = np.setdiff1d(np.arange(len(data.y_train)), drawn)
    return FewLabels(data.with_splits({**data.splits, "train": train.take(drawn)}), train.take(rest))
