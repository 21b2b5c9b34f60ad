"""Image examples, as a rule in memory, and the checks that every source shares."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.data._mapped import rows_of
from dlcli.core.feed import floats
from dlcli.support.errors import InputError
from dlcli.support.memory import check_memory
from dlcli.support.report import SILENT, Report

Array = NDArray[Any]
"""An array of any type."""

Facts = Mapping[str, Array]
"""What is known of each example besides its label, by the name of the fact: (n,) text, numbers or objects."""

MORE = ("dev", "train-dev")
"""The sets that data may have besides training and test set (Ng, Structuring Machine Learning Projects)."""

_COLOURS = (1, 3)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How to read a source.

    `strict`: raise InputError for an image that cannot be read, instead of a warning to `report`. `size`: bring every image
    to that many pixels in height and width. `limit`: keep at most so many examples of each set, a fixed choice.
    """

    strict: bool = False
    report: Report = SILENT
    size: int | None = None
    limit: int | None = None


READING = Reading()
"""As it comes, whole."""


@dataclass(frozen=True)
class Split:
    """One set: x (n, c, h, w) float32 in [0, 1] and y (n,) int64.

    Images that do not fit into memory are streamed: x is uint8 in 0 to 255, to be read only, and as a rule a file; see
    `core/feed.py`. `known_as` is then what identifies them, since hashing them would take too long.
    """

    x: Tensor
    y: Tensor
    facts: Facts = field(default_factory=dict)
    known_as: str = ""

    def take(self, which: NDArray[Any]) -> "Split":
        """The examples at the indices `which`, or where the mask `which` (n,) is true.

        Raises ResourceError if the images are streamed and the disk does not hold a part of them.
        """
        picked, facts = torch.from_numpy(which), {name: column[which] for name, column in self.facts.items()}
        if self.x.is_floating_point():
            return Split(self.x[picked], self.y[picked], facts)
        rows = np.flatnonzero(which) if which.dtype == bool else which
        known_as = f"{self.known_as} {hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()}" if self.known_as else ""
        return Split(rows_of(self.x, rows), self.y[picked], facts, known_as)


@dataclass(frozen=True)
class ImageData:
    """Images and labels, split into training set, test set and maybe `more`: sets by the names of MORE.

    x_train, x_test: (n, c, h, w) float32 in [0, 1], or streamed as `Split` says; y_train, y_test: (n,) int64, indices into
    `classes`. Data to test on only has a training set of no examples. `name` is for people. `facts` and `known_as` are those
    of train and test, by these names.
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: tuple[str, ...]
    name: str
    more: Mapping[str, Split] = field(default_factory=dict)
    facts: Mapping[str, Facts] = field(default_factory=dict)
    known_as: Mapping[str, str] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, Split]:
        """Every set by name: train, test and those of `more`."""
        train = Split(self.x_train, self.y_train, self.facts.get("train", {}), self.known_as.get("train", ""))
        test = Split(self.x_test, self.y_test, self.facts.get("test", {}), self.known_as.get("test", ""))
        return {"train": train, "test": test, **self.more}

    def with_splits(self, splits: Mapping[str, Split], name: str | None = None) -> "ImageData":
        """The same classes with other sets: train, test and those of MORE."""
        return data_of(splits, self.classes, self.name if name is None else name)

    @property
    def channels(self) -> int:
        """How many colour channels an image has."""
        return self.x_train.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x_train.shape[2], self.x_train.shape[3]

    @property
    def in_memory(self) -> int:
        """How many bytes the images take in memory; streamed ones take none."""
        return sum(split.x.nbytes for split in self.splits.values() if split.x.is_floating_point())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all examples, labels, class names and the split; the name does not count.

        Streamed images have another one than the same images in memory.
        """
        digest = hashlib.sha256(repr(self.classes).encode())
        for name, split in self.splits.items():
            if name not in self.more:
                _digest(digest, split)
        for name, split in sorted(self.more.items()):
            digest.update(f"{name}\n".encode())
            _digest(digest, split)
        return digest.hexdigest()

    def a_few(self, n: int) -> Tensor:
        """The first `n` images of the training set or, if it has none, of the test set; float32 even if they are streamed."""
        return floats((self.x_train if len(self.x_train) else self.x_test)[:n])


def data_of(splits: Mapping[str, Split], classes: tuple[str, ...], name: str) -> ImageData:
    """The data of these sets: train, test and those of MORE."""
    train, test = splits["train"], splits["test"]
    more = {key: split for key, split in splits.items() if key in MORE}
    facts, known_as = ({key: getattr(splits[key], kind) for key in ("train", "test")} for kind in ("facts", "known_as"))
    return ImageData(train.x, train.y, test.x, test.y, classes, name, more, facts, known_as)


def _digest(digest: "hashlib._Hash", split: Split) -> None:
    for tensor in (split.x, split.y):
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        known = split.known_as.encode() if tensor.dtype == torch.uint8 else b""
        digest.update(known or tensor.contiguous().numpy().data)


def check_trainable(data: ImageData) -> None:
    """Raise InputError if there is nothing to train on: no training examples, or only one class among them."""
    if not len(data.y_train):
        hint = "give FOLDER/train and FOLDER/test, each with a folder a class, or weights that are trained already"
        raise InputError(f"{data.name}: holds a test set only, so there is nothing to train on", hint=hint)
    if len(data.y_train.unique()) < 2:
        raise InputError(f"{data.name}: all training labels are '{data.classes[int(data.y_train[0])]}'; two classes are needed")


@dataclass(frozen=True)
class Labelled:
    """Images, labels and facts as a source found them; `x` and `y` are what the source calls them, for messages."""

    images: Array
    labels: Array
    x: str = "x"
    y: str = "y"
    facts: Facts = field(default_factory=dict)


def split_given(name: str, train: Labelled, test: Labelled, more: Mapping[str, Labelled] | None = None) -> ImageData:
    """Check all sets and bring them to the form of ImageData; raises InputError naming `name` and the array at fault.

    Images are uint8 in 0 to 255 or floats in [0, 1], as (n, h, w), (n, h, w, c) with c 1 or 3, or (n, c, h, w).
    Labels are integers or strings, (n,) or (n, 1); classes are the sorted distinct labels of the training set.
    """
    x, labels = _checked(name, train)
    whole = _Whole(name, train, x, labels, _classes(name, labels, train))
    return _assembled(whole, Split(x, whole.indices(labels), train.facts), whole.split(test), more)


def split_off(name: str, found: Labelled, share: float, more: Mapping[str, Labelled] | None = None) -> ImageData:
    """As `split_given`, with a fixed `share` of each class kept off as the test set."""
    x, labels = _checked(name, found)
    whole, held = _Whole(name, found, x, labels, _classes(name, labels, found)), hold_out(labels, share)
    if not held.any():
        raise InputError(f"{name}: no class in '{found.y}' has two examples, so none can be kept for testing")
    both = Split(x, whole.indices(labels), found.facts)
    return _assembled(whole, both.take(~held), both.take(held), more)


@dataclass(frozen=True)
class _Whole:
    """The set that says what images and classes are: as found, images (n, c, h, w), labels (n,) and distinct labels."""

    name: str
    found: Labelled
    x: Tensor
    labels: Array
    classes: Array

    def indices(self, labels: Array) -> Tensor:
        return torch.from_numpy(np.searchsorted(self.classes, labels).astype(np.int64))

    def split(self, other: Labelled) -> Split:
        """Another set, seen to have the same shape of images and no other labels."""
        x, labels = _checked(self.name, other)
        if self.x.shape[1:] != x.shape[1:]:
            shapes = f"{tuple(self.found.images.shape[1:])} and {tuple(other.images.shape[1:])}"
            raise InputError(f"{self.name}: images of '{self.found.x}' and '{other.x}' differ in shape: {shapes}")
        unseen = np.flatnonzero(
            ~np.isin(labels, self.classes) | ((labels.dtype.kind == "U") != (self.labels.dtype.kind == "U"))
        )
        if len(unseen):
            which = f"{labels[unseen[0]]!s} at '{other.y}'[{unseen[0]}]"
            raise InputError(f"{self.name}: label {which} is not among the labels of '{self.found.y}'")
        return Split(x, self.indices(labels), other.facts)


def _assembled(whole: _Whole, train: Split, test: Split, more: Mapping[str, Labelled] | None) -> ImageData:
    others = {key: whole.split(found) for key, found in (more or {}).items()}
    classes, facts = tuple(str(label) for label in whole.classes), {"train": train.facts, "test": test.facts}
    return ImageData(train.x, train.y, test.x, test.y, classes, whole.name, others, facts)


def _checked(name: str, found: Labelled) -> tuple[Tensor, Array]:
    return _images(name, found), _labels(name, found)


def _classes(name: str, labels: Array, found: Labelled) -> Array:
    classes: Array = np.unique(labels)
    if len(classes) < 2:
        raise InputError(f"{name}: all labels in '{found.y}' are {classes[0]}; at least two classes are needed")
    return classes


def hold_out(labels: Array, share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Which examples are held out: of each class a `share`, (n,) bool; of two or more examples at least one, and not all.

    The choice depends on the labels, their order and `seed` only, on no machine or library version.
    """
    held = np.zeros(len(labels), dtype=bool)
    for of_class in _shuffled_classes(labels, seed):
        most = len(of_class) - 1
        held[of_class[: min(most, max(1, round(len(of_class) * share)))]] = True
    return held


def choose(labels: Array, limit: int | None) -> NDArray[np.intp]:
    """The sorted indices of at most `limit` examples: one of each class first, then classes by their share; a fixed choice."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    place = np.empty(len(labels))
    for of_class in _shuffled_classes(labels, 0):
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
        place[of_class[0]] = 0
    return np.sort(np.argsort(place, kind="stable")[:limit])


def _shuffled_classes(labels: Array, seed: int) -> list[NDArray[np.intp]]:
    """For each class the indices of its examples, in an order that `seed` fixes."""
    # Raw words of the bit generator, for numpy promises to keep these, unlike its permutations.
    keys = np.random.PCG64(seed).random_raw(len(labels))
    classes = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return [of_class[np.argsort(keys[of_class])] for of_class in classes]


def _images(name: str, found: Labelled) -> Tensor:
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
