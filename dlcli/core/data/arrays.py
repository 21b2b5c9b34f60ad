"""Check arrays of images and labels and convert them to ImageData."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dlcli.core.data.base import CLASS, SCORE, Array, ImageData, Metadata, Split, hold_out, labels_tensor
from dlcli.core.data.class_labels import class_order
from dlcli.core.data.groups import groups_of
from dlcli.core.data.score_labels import OUTPUT, check_scores, mean_of_raters
from dlcli.core.data.votes import VOTES, mean_votes
from dlcli.support.errors import InputError
from dlcli.support.memory import check_memory
from dlcli.support.plural import count

_CHANNELS = (1, 3)


@dataclass(frozen=True)
class LabelledArrays:
    """Images, labels and metadata as found in a source; `x` and `y` are the names of the arrays, for messages.

    `votes` is the metadata column of votes where labels are counts of these.
    """

    images: Array
    labels: Array
    x: str = "x"
    y: str = "y"
    metadata: Metadata = field(default_factory=dict)
    votes: Array | None = None


def from_train_and_test(
    name: str,
    train: LabelledArrays,
    test: LabelledArrays,
    extra_splits: Mapping[str, LabelledArrays] | None = None,
    *,
    target: str = CLASS,
) -> ImageData:
    """Convert sets that are already split.

    Args:
        name: Name of the dataset, for messages.
        train: Images as uint8 in 0 to 255 or floats in [0, 1], of shape (n, h, w), (n, h, w, c) with c 1 or 3, or
            (n, c, h, w); labels as integers or strings, (n,) or (n, 1). Its distinct labels, in order, are the classes.
        test: Like `train`, with images of the same shape and no other labels.
        extra_splits: Other sets, like `test`, by the names of EXTRA_SPLITS.
        target: CLASS, or SCORE for labels that are numbers.

    Returns:
        The dataset, its images as float32 in [0, 1].

    Raises:
        InputError: If an array cannot be used; the message names it.
    """
    reference = _reference(name, train, target)
    return _assembled(reference, reference.own, reference.split(test), extra_splits)


def only_test(
    name: str,
    test: LabelledArrays,
    extra_splits: Mapping[str, LabelledArrays] | None = None,
    *,
    target: str = CLASS,
) -> ImageData:
    """Convert a test set, whose distinct labels are the classes; the training set is empty.

    Args:
        name: Name of the dataset, for messages.
        test: Images and labels, as in `from_train_and_test`.
        extra_splits: Other sets, by the names of EXTRA_SPLITS.
        target: CLASS, or SCORE for labels that are numbers.
    """
    reference = _reference(name, test, target)
    own = reference.own
    return _assembled(reference, Split(own.x[:0], own.y[:0]), own, extra_splits)


def with_held_out_test(
    name: str,
    found: LabelledArrays,
    share: float,
    extra_splits: Mapping[str, LabelledArrays] | None = None,
    *,
    target: str = CLASS,
    group: str | None = None,
) -> ImageData:
    """Convert one set, a fixed part of which becomes the test set.

    Args:
        name: Name of the dataset, for messages.
        found: Images and labels, as in `from_train_and_test`.
        share: Share of each class to hold out, in (0, 1).
        extra_splits: Other sets, by the names of EXTRA_SPLITS.
        target: CLASS, or SCORE for labels that are numbers.
        group: Metadata column of examples that are in the same set.

    Returns:
        The dataset, its images as float32 in [0, 1].

    Raises:
        InputError: If an array cannot be used, or no class has two examples.
    """
    reference = _reference(name, found, target)
    both = reference.own
    held = hold_out(both.y.numpy(), share, group=groups_of(both.metadata, group, name))
    if not held.any():
        if group is not None:
            raise InputError(f"`group`: all of {name} is one group by '{group}'", hint="choose another column")
        raise InputError(f"{name}: no class in '{found.y}' has two examples, so none can be held out for testing")
    return _assembled(reference, both.take(~held), both.take(held), extra_splits)


def all_images(name: str, images: Mapping[str, Array], labels: Sequence[Array | None]) -> ImageData:
    """Convert images to predict: a test set without a training set.

    Args:
        name: Name of the dataset, for messages.
        images: Arrays of images of one shape as in `from_train_and_test`, by their names; they follow one another.
        labels: Their labels, None where there are none; used if all have some that can be used, of two classes at least.

    Returns:
        The dataset, its images as float32 in [0, 1]; without classes if labels are missing.

    Raises:
        InputError: If an array of images cannot be used.
    """
    parts = {key: _images(name, LabelledArrays(array, array[:0], key)) for key, array in images.items()}
    first = next(iter(parts))
    for key, part in parts.items():
        if part.shape[1:] != parts[first].shape[1:]:
            shapes = f"{tuple(parts[first].shape[1:])} and {tuple(part.shape[1:])}"
            raise InputError(f"{name}: images of '{first}' and '{key}' differ in shape: {shapes}")
    x = torch.cat(list(parts.values())) if len(parts) > 1 else parts[first]
    y, classes = torch.zeros(len(x), dtype=torch.int64), np.array([])
    with suppress(InputError):  # labels are not needed
        found = [
            _labels(name, LabelledArrays(array, one))
            for array, one in zip(images.values(), labels, strict=True)
            if one is not None
        ]
        if found and len(found) == len(images) and len({one.dtype.kind == "U" for one in found}) == 1:
            every = np.concatenate(found)
            distinct = _ordered(np.unique(every))
            y, classes = (_indices(distinct, every), distinct) if len(distinct) > 1 else (y, classes)
    return ImageData(x[:0], y[:0], x, y, tuple(str(label) for label in classes), name)


@dataclass(frozen=True)
class _Reference:
    """The set that fixes the shape of images and the classes of all: as found, and as a split; without classes of scores."""

    name: str
    found: LabelledArrays
    own: Split
    classes: Array | None

    def split(self, other: LabelledArrays) -> Split:
        """Convert another set; its images must have the same shape, and its labels must be among the classes."""
        x = _images(self.name, other)
        if self.own.x.shape[1:] != x.shape[1:]:
            shapes = f"{tuple(self.found.images.shape[1:])} and {tuple(other.images.shape[1:])}"
            raise InputError(f"{self.name}: images of '{self.found.x}' and '{other.x}' differ in shape: {shapes}")
        if self.classes is None:
            return _scored(self.name, other, x)
        labels = _labels(self.name, other)
        unseen = np.flatnonzero(
            ~np.isin(labels, self.classes) | ((labels.dtype.kind == "U") != (self.classes.dtype.kind == "U"))
        )
        if len(unseen):
            which = f"{labels[unseen[0]]!s} at '{other.y}'[{unseen[0]}]"
            raise InputError(f"{self.name}: label {which} is not among the labels of '{self.found.y}'")
        return Split(x, _indices(self.classes, labels), other.metadata)


def _assembled(
    reference: _Reference, train: Split, test: Split, extra_splits: Mapping[str, LabelledArrays] | None
) -> ImageData:
    others = {key: reference.split(found) for key, found in (extra_splits or {}).items()}
    classes = OUTPUT if reference.classes is None else tuple(str(label) for label in reference.classes)
    metadata = {"train": train.metadata, "test": test.metadata}
    return ImageData(train.x, train.y, test.x, test.y, classes, reference.name, others, metadata)


def _reference(name: str, found: LabelledArrays, target: str) -> _Reference:
    x = _images(name, found)
    if target == SCORE:
        return _Reference(name, found, _scored(name, found, x), None)
    labels = _labels(name, found)
    classes = _classes(name, labels, found)
    return _Reference(name, found, Split(x, _indices(classes, labels), found.metadata), classes)


def _scored(name: str, found: LabelledArrays, x: Tensor) -> Split:
    """Images with their scores; columns (n, raters) of several raters become metadata, and their mean the score."""
    labels, where = found.labels, f"{name}: '{found.y}'"
    if found.votes is not None and len(found.votes) == len(x):
        return Split(x, labels_tensor(mean_votes(found.votes)), {**found.metadata, VOTES: found.votes})
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iuf" or not labels[:1].size:
        shape = f"{labels.dtype} of shape {tuple(labels.shape)}"
        raise InputError(f"{where} is {shape}; scores are numbers (n,), or (n, raters)")
    if len(labels) != len(x):
        raise InputError(f"{name}: '{found.x}' has {count(len(x), 'image')} but '{found.y}' has {count(len(labels), 'score')}")
    values = labels.astype(np.float64)
    bad = np.argwhere(~np.isfinite(values) if values.ndim == 1 else np.isinf(values))
    if len(bad):
        index = ", ".join(map(str, bad[0]))
        raise InputError(f"{where} has {values[tuple(bad[0])]} at [{index}]; scores are finite numbers")
    if values.ndim == 1:
        return Split(x, labels_tensor(check_scores(where, values)), found.metadata)
    raters = {f"rater_{k}": column for k, column in enumerate(values.T, 1)}
    return Split(x, labels_tensor(check_scores(where, mean_of_raters(where, values))), {**found.metadata, **raters})


def _classes(name: str, labels: Array, found: LabelledArrays) -> Array:
    classes = _ordered(np.unique(labels))
    if len(classes) < 2:
        raise InputError(f"{name}: all labels in '{found.y}' are {classes[0]}; at least two classes are needed")
    return classes


def _ordered(distinct: Array) -> Array:
    """Distinct labels in the order of the classes, see `class_order`; numbers are in it already."""
    return np.array(class_order(distinct.tolist()), dtype=distinct.dtype) if distinct.dtype.kind == "U" else distinct


def _indices(classes: Array, labels: Array) -> Tensor:
    """The place of each label (n,) among the classes, which must have it."""
    order = np.argsort(classes)
    return torch.from_numpy(order[np.searchsorted(classes[order], labels)].astype(np.int64))


def _images(name: str, found: LabelledArrays) -> Tensor:
    """(n, c, h, w) float32 in [0, 1]."""
    where = f"{name}: '{found.x}'"
    images = _channels_first(where, found.images)
    if not images.size:
        raise InputError(f"{where} is empty: its shape is {tuple(found.images.shape)}")
    check_memory(4 * images.size, where)
    scaled = np.ascontiguousarray(images, dtype=np.float32)
    if images.dtype == np.uint8:
        if images.max() <= 1:
            raise InputError(f"{where} is uint8 but holds only 0 and 1", hint="uint8 is 0 to 255; save 0 to 1 as float32")
        scaled /= 255
    elif images.dtype.kind == "f":
        _check_floats(where, found.images)
    else:
        raise InputError(f"{where} is {images.dtype}; uint8 (0 to 255) or floats in [0, 1] are needed")
    return torch.from_numpy(scaled)


def _channels_first(where: str, images: Array) -> Array:
    shape = tuple(images.shape)
    if len(shape) == 3:
        return images[:, None]
    last = len(shape) == 4 and shape[3] in _CHANNELS
    first = len(shape) == 4 and shape[1] <= min(shape[2:])
    if last and first and shape[1] in _CHANNELS:
        raise InputError(f"{where} has shape {shape}, which may be (n, h, w, c) or (n, c, h, w)")
    if not (last or first):
        message = f"{where} has shape {shape}; images are (n, h, w), (n, h, w, c) with c 1 or 3, or (n, c, h, w)"
        raise InputError(message, hint="reshape flattened images to (n, h, w)" if len(shape) == 2 else "")
    return np.moveaxis(images, 3, 1) if last else images


def _check_floats(where: str, images: Array) -> None:
    bad = np.argwhere(~np.isfinite(images))
    if len(bad):
        index = ", ".join(str(i) for i in bad[0])
        raise InputError(f"{where} has {images[tuple(bad[0])]} at [{index}]; {len(bad)} values in total are not finite")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        hint = "divide by 255" if low >= 0 and high <= 255 else "undo the normalisation; put it inside the model"
        raise InputError(f"{where} has values from {low:g} to {high:g}, outside [0, 1]", hint=hint)


def _labels(name: str, found: LabelledArrays) -> Array:
    """(n,) integers or strings, one for each image."""
    labels, where = found.labels, f"{name}: '{found.y}'"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        hint = "convert one-hot labels with argmax(1)" if labels.ndim == 2 else ""
        raise InputError(f"{where} has shape {tuple(labels.shape)}; labels are (n,)", hint=hint)
    if labels.dtype.kind not in "biuUS":
        hint = "learn numbers with `task=score`" if labels.dtype.kind == "f" else ""
        raise InputError(f"{where} is {labels.dtype}; labels are integers or strings", hint=hint)
    if len(labels) != len(found.images):
        raise InputError(
            f"{name}: '{found.x}' has {count(len(found.images), 'image')} but '{found.y}' has {count(len(labels), 'label')}"
        )
    return np.char.decode(labels, "utf-8", "replace") if labels.dtype.kind == "S" else labels
