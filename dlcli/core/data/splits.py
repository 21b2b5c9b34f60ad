"""Sets derived for training: a dev set, random subsets for ensemble members, and weights for imbalanced classes."""

from dataclasses import replace

import torch
from torch import Tensor

from dlcli.core.compute.rng import generator
from dlcli.core.data.base import ImageData, hold_out
from dlcli.core.data.groups import groups_of
from dlcli.support.errors import InputError, UsageError
from dlcli.support.seeds import derive


def with_dev_set(data: ImageData, share: float, seed: int, group: str | None = None) -> ImageData:
    """Add a dev set: its own, or else a share of each class of the training set.

    Of a class with two or more examples at least one is held out and one stays.

    Args:
        data: The dataset.
        share: In (0, 1).
        seed: Of the choice.
        group: Metadata column of examples that are in the same set: groups are held out then.

    Raises:
        UsageError: For another share.
        InputError: If no class has two examples, or all are one group.
    """
    if not 0 < share < 1:
        raise UsageError(f"the share held out as dev set must be above 0 and below 1, not {share:g}")
    if "dev" in data.extra_splits:
        return data
    train = replace(data.splits["train"], content_id="")
    groups = groups_of(train.metadata, group, data.name)
    held = hold_out(data.y_train.numpy(), share, derive(seed, "validation"), group=groups)
    if not held.any():
        if group is not None:
            raise InputError(
                f"`group`: the training set of {data.name} is one group by '{group}'", hint="choose another column"
            )
        raise InputError(f"{data.name}: no class has two training examples, so none can be held out as dev set")
    return data.with_splits({**data.splits, "train": train.take(~held), "dev": train.take(held)})


def draw(n: int, share: float, *, replacement: bool, seed: int) -> Tensor:
    """Draw the examples that a member of an ensemble is trained on.

    With `replacement` and share 1 it is Breiman's bootstrap (1996, Machine Learning 24).

    Args:
        n: Number of examples to draw from.
        share: How many to draw, as a multiple of n; at least 2 are drawn.
        replacement: Whether an example may be drawn more than once.
        seed: Seed of the draw.

    Returns:
        Indices (round(share * n),) int64.
    """
    size, source = max(2, round(share * n)), generator(seed)
    return torch.randint(n, (size,), generator=source) if replacement else torch.randperm(n, generator=source)[:size]


def class_weights(y: Tensor, classes: int) -> Tensor:
    """Loss weights (classes,) float32, inversely proportional to the frequency of each class in `y` (n,).

    Their mean over the classes that occur in `y` is 1; other classes have weight 0. Raises InputError if `y` is empty.
    """
    if not len(y):
        raise InputError("there are no labels to compute class weights from")
    return weights_of_counts(torch.bincount(y, minlength=classes))


def weights_of_counts(found: Tensor) -> Tensor:
    """The weights of `class_weights` for classes with these numbers of labels, (classes,)."""
    counts = found.double()
    inverse = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
    return (inverse / inverse[counts > 0].mean()).float()
