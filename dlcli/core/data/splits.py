"""What training makes of the sets it is given: a dev set, a random part for a member, and weights for uneven classes."""

import torch
from torch import Tensor

from dlcli.core.compute.rng import derive, generator
from dlcli.core.data.base import ImageData, Split, hold_out
from dlcli.support.errors import InputError, UsageError


def with_validation(data: ImageData, share: float, seed: int) -> ImageData:
    """`data` with a dev set: its own, or else a `share` in (0, 1) of each class of the training set, chosen by `seed`.

    Of a class with two or more examples at least one is taken and one is left. Raises UsageError for another share and
    InputError if no class has two examples.
    """
    if not 0 < share < 1:
        raise UsageError(f"the share kept for validation is above 0 and below 1, not {share:g}")
    if "dev" in data.extra_splits:
        return data
    train = Split(data.x_train, data.y_train)
    held = hold_out(data.y_train.numpy(), share, derive(seed, "validation"))
    if not held.any():
        raise InputError(f"{data.name}: no class has two training examples, so none can be kept for validation")
    return data.with_splits({**data.splits, "train": train.take(~held), "dev": train.take(held)})


def draw(n: int, share: float, *, replacement: bool, seed: int) -> Tensor:
    """Which of `n` examples a member of an ensemble is trained on: round(`share` * n) of them, at least 2, int64.

    With `replacement` and share 1 it is Breiman's bootstrap (1996, Machine Learning 24).
    """
    size, source = max(2, round(share * n)), generator(seed)
    return torch.randint(n, (size,), generator=source) if replacement else torch.randperm(n, generator=source)[:size]


def class_weights(y: Tensor, classes: int) -> Tensor:
    """Weights (classes,) float32 for a loss, in inverse proportion to how often each class is in `y` (n,).

    Their mean over the classes that are in `y` is 1; a class that is not has weight 0. Raises InputError if `y` is empty.
    """
    if not len(y):
        raise InputError("there are no labels to weigh classes by")
    counts = torch.bincount(y, minlength=classes).double()
    inverse = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
    return (inverse / inverse[counts > 0].mean()).float()
