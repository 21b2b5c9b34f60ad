"""Image examples in memory, and the checks that every source shares."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.support.errors import InputError

Array = NDArray[Any]
"""An array of any type."""

_COLOURS = (1, 3)


@dataclass(frozen=True)
class ImageData:
    """Images and labels, split into training and test set.

    x_train, x_test: (n, c, h, w) float32 in [0, 1]; y_train, y_test: (n,) int64, indices into `classes`.
    `name` is for people.
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: tuple[str, ...]
    name: str

    @property
    def channels(self) -> int:
        """How many colour channels an image has."""
        return self.x_train.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x_train.shape[2], self.x_train.shape[3]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all examples, labels, class names and the split; the name does not count."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for tensor in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Labelled:
    """Images and labels as a source found them; `x` and `y` are what the source calls them, for messages."""

    images: Array
    labels: Array
    x: str = "x"
    y: str = "y"


def split_given(name: str, train: Labelled, test: Labelled) -> ImageData:
    """Check both sets and bring them to the form of ImageData; raises InputError naming `name` and the array at fault.

    Images are uint8 in 0 to 255 or floats in [0, 1], as (n, h, w), (n, h, w, c) with c 1 or 3, or (n, c, h, w).
    Labels are integers or strings, (n,) or (n, 1); classes are the sorted distinct labels of the training set.
    """
    (x_train, labels), (x_test, test_labels) = _checked(name, train), _checked(name, test)
    if x_train.shape[1:] != x_test.shape[1:]:
        shapes = f"{tuple(train.images.shape[1:])} and {tuple(test.images.shape[1:])}"
        raise InputError(f"{name}: images of '{train.x}' and '{test.x}' differ in shape: {shapes}")
    classes = _classes(name, labels, train)
    unseen = np.flatnonzero(~np.isin(test_labels, classes) | ((labels.dtype.kind == "U") != (test_labels.dtype.kind == "U")))
    if len(unseen):
        which = f"{test_labels[unseen[0]]!s} at '{test.y}'[{unseen[0]}]"
        raise InputError(f"{name}: label {which} is not among the labels of '{train.y}'")
    return _assembled(name, classes, x_train, labels, x_test, test_labels)


def split_off(name: str, whole: Labelled, share: float) -> ImageData:
    """As `split_given`, with a fixed `share` of each class kept off as the test set."""
    images, labels = _checked(name, whole)
    classes, held = _classes(name, labels, whole), hold_out(labels, share)
    if not held.any():
        raise InputError(f"{name}: no class in '{whole.y}' has two examples, so none can be kept for testing")
    return _assembled(name, classes, images[~held], labels[~held], images[held], labels[held])


def _checked(name: str, found: Labelled) -> tuple[Tensor, Array]:
    return _images(name, found), _labels(name, found)


def _classes(name: str, labels: Array, found: Labelled) -> Array:
    classes: Array = np.unique(labels)
    if len(classes) < 2:
        raise InputError(f"{name}: all labels in '{found.y}' are {classes[0]}; at least two classes are needed")
    return classes


def _assembled(name: str, classes: Array, x_train: Tensor, train: Array, x_test: Tensor, test: Array) -> ImageData:
    y_train, y_test = (torch.from_numpy(np.searchsorted(classes, labels).astype(np.int64)) for labels in (train, test))
    return ImageData(x_train, y_train, x_test, y_test, tuple(str(label) for label in classes), name)


def hold_out(labels: Array, share: float) -> NDArray[np.bool_]:
    """Which examples are the test set: of each class a `share` (of two or more examples at least one), (n,) bool.

    The choice is fixed: it depends on the labels and their order only, on no seed, machine or library version.
    """
    # Raw words of the bit generator, for numpy promises to keep these, unlike its permutations.
    keys = np.random.PCG64(0).random_raw(len(labels))
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        count = max(1, round(len(of_class) * share)) if len(of_class) > 1 else 0
        held[of_class[np.argsort(keys[of_class])[:count]]] = True
    return held


def _images(name: str, found: Labelled) -> Tensor:
    """(n, c, h, w) float32 in [0, 1]."""
    where = f"{name}: '{found.x}'"
    images = _channels_first(where, found.images)
    if not images.size:
        raise InputError(f"{where} is empty: its shape is {tuple(found.images.shape)}")
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
    last = len(shape) == 4 and shape[3] in _COLOURS
    first = len(shape) == 4 and shape[1] <= min(shape[2:])
    if last and first and shape[1] in _COLOURS:
        raise InputError(f"{where} has shape {shape}, which may be (n, h, w, c) or (n, c, h, w)")
    if not (last or first):
        message = f"{where} has shape {shape}; images are (n, h, w), (n, h, w, c) with c 1 or 3, or (n, c, h, w)"
        raise InputError(message, hint="reshape flattened images to (n, h, w)" if len(shape) == 2 else "")
    return np.moveaxis(images, 3, 1) if last else images


def _check_floats(where: str, images: Array) -> None:
    bad = np.argwhere(~np.isfinite(images))
    if len(bad):
        index = ", ".join(str(i) for i in bad[0])
        raise InputError(f"{where} has {images[tuple(bad[0])]} at [{index}], and {len(bad)} values in all are not finite")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        hint = "divide by 255" if low >= 0 and high <= 255 else "undo the normalisation: it belongs to the model"
        raise InputError(f"{where} has values from {low:g} to {high:g}, outside [0, 1]", hint=hint)


def _labels(name: str, found: Labelled) -> Array:
    """(n,) integers or strings, one for each image."""
    labels, where = found.labels, f"{name}: '{found.y}'"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        hint = "of one-hot labels take argmax(1)" if labels.ndim == 2 else ""
        raise InputError(f"{where} has shape {tuple(labels.shape)}; labels are (n,)", hint=hint)
    if labels.dtype.kind not in "biuUS":
        raise InputError(f"{where} is {labels.dtype}; labels are integers or strings")
    if len(labels) != len(found.images):
        raise InputError(f"{name}: '{found.x}' has {len(found.images)} images but '{found.y}' has {len(labels)} labels")
    return np.char.decode(labels, "utf-8", "replace") if labels.dtype.kind == "S" else labels
