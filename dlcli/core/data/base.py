"""Examples, images or clips of video, as a rule in memory, and the checks that every source shares."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.data.memmap import select_rows
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT, Reporter

Array = NDArray[Any]
"""An array of any type."""

Metadata = Mapping[str, Array]
"""What is known of each example besides its label, by the name of the fact: (n,) text, numbers or objects."""

FILE = "file"
"""The fact, and the column of labels.csv, that says of which file an example is."""

EXTRA_SPLITS = ("dev", "train-dev")
"""The sets that data may have besides training and test set (Ng, Structuring Machine Learning Projects)."""


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are taken: `clips` clips of `frames` each, `fps` a second or spread over the whole video.

    Where a number is not asked for it is 1 clip of `default_frames`, of `default_size` pixels in height and width.
    """

    frames: int | None = None
    clips: int | None = None
    fps: float | None = None
    default_frames: int = 8
    default_size: int = 112

    @property
    def shape(self) -> tuple[int, int]:
        """How many clips, and how many frames each."""
        return self.clips or 1, self.frames or self.default_frames


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How to read a source.

    `strict`: raise InputError for an example that cannot be read, instead of a warning to `report`. `size`: bring every image
    to that many pixels in height and width. `limit`: keep at most so many examples of each set, a fixed choice. `sampling`:
    None where whoever asks takes images only. `unlabelled`: a file, or a flat folder without labels.csv, will do. `option` is
    by which one the source was named.
    """

    strict: bool = False
    report: Reporter = SILENT
    size: int | None = None
    limit: int | None = None
    sampling: Sampling | None = None
    unlabelled: bool = False
    option: str = "--data"

    def require_sampling(self, spec: str) -> Sampling:
        """What to take of the videos that `spec` names; raises UsageError where clips are not wanted."""
        if self.sampling is None:
            hint = "dlcli train, dlcli eval and dlcli predict take clips"
            raise UsageError(f"{self.option}: {spec} holds clips of video, and this command takes images only", hint=hint)
        return self.sampling


LOAD_DEFAULTS = LoadOptions()
"""As it comes, whole."""


@dataclass(frozen=True)
class Split:
    """One set: x (n, c, h, w) float32 in [0, 1], of clips (n, c, t, h, w), and y (n,) int64.

    Images that do not fit into memory are streamed: x is uint8 in 0 to 255, to be read only, and as a rule a file; see
    `core/compute/loader.py`. `content_id` is then what identifies them, since hashing them would take too long.
    """

    x: Tensor
    y: Tensor
    metadata: Metadata = field(default_factory=dict)
    content_id: str = ""

    def take(self, which: NDArray[Any]) -> "Split":
        """The examples at the indices `which`, or where the mask `which` (n,) is true.

        Raises ResourceError if the images are streamed and the disk does not hold a part of them.
        """
        picked, metadata = torch.from_numpy(which), {name: column[which] for name, column in self.metadata.items()}
        if self.x.is_floating_point():
            return Split(self.x[picked], self.y[picked], metadata)
        rows = np.flatnonzero(which) if which.dtype == bool else which
        chosen = hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()
        content_id = f"{self.content_id} {chosen}" if self.content_id else ""
        return Split(select_rows(self.x, rows), self.y[picked], metadata, content_id)


@dataclass(frozen=True)
class ImageData:
    """Images or clips and their labels, split into training set, test set and maybe `extra_splits`: sets by the names of MORE.

    x_train, x_test: (n, c, h, w) float32 in [0, 1], or streamed as `Split` says; y_train, y_test: (n,) int64, indices into
    `classes`. Data to test on only has a training set of no examples; without labels it has no classes, and y is 0. `name` is
    for people. `metadata` and `content_id` are those of train and test, by these names.

    Of videos x is (n, c, t, h, w): `clips` clips of an equal number of frames, one after the other in time, for each example.
    """

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: tuple[str, ...]
    name: str
    extra_splits: Mapping[str, Split] = field(default_factory=dict)
    metadata: Mapping[str, Metadata] = field(default_factory=dict)
    content_id: Mapping[str, str] = field(default_factory=dict)
    clips: int = 1

    @property
    def splits(self) -> dict[str, Split]:
        """Every set by name: train, test and those of `extra_splits`."""
        train = Split(self.x_train, self.y_train, self.metadata.get("train", {}), self.content_id.get("train", ""))
        test = Split(self.x_test, self.y_test, self.metadata.get("test", {}), self.content_id.get("test", ""))
        return {"train": train, "test": test, **self.extra_splits}

    def with_splits(self, splits: Mapping[str, Split], name: str | None = None) -> "ImageData":
        """The same classes with other sets: train, test and those of MORE."""
        return replace(data_from_splits(splits, self.classes, self.name if name is None else name), clips=self.clips)

    @property
    def channels(self) -> int:
        """How many colour channels an image has."""
        return self.x_train.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x_train.shape[-2], self.x_train.shape[-1]

    @property
    def frames(self) -> int | None:
        """How many frames a clip has; None of images."""
        return self.x_train.shape[2] // self.clips if self.x_train.dim() == 5 else None

    @property
    def unit(self) -> str:
        """What an example is, for people: an image or, whose clips are judged as one, a video."""
        return "image" if self.frames is None else "video"

    @property
    def memory_bytes(self) -> int:
        """How many bytes the images take in memory; streamed ones take none."""
        return sum(split.x.nbytes for split in self.splits.values() if split.x.is_floating_point())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all examples, labels, class names and the split; the name does not count.

        Streamed images have another one than the same images in memory.
        """
        digest = hashlib.sha256(repr(self.classes).encode())
        if self.clips > 1:  # the same frames may be more clips of fewer
            digest.update(f"{self.clips} clips\n".encode())
        for name, split in self.splits.items():
            if name not in self.extra_splits:
                _digest(digest, split)
        for name, split in sorted(self.extra_splits.items()):
            digest.update(f"{name}\n".encode())
            _digest(digest, split)
        return digest.hexdigest()

    def frame_template(self) -> "ImageData":
        """What a network for the single frames of these clips is made for: their shape and classes, and no examples."""
        nothing, labels = self.x_train[:0], self.y_train[:0]
        nothing = nothing if self.frames is None else nothing[:, :, 0]
        return ImageData(nothing, labels, nothing, labels, self.classes, self.name)

    def sample(self, n: int) -> Tensor:
        """The first `n` images of the training set or, if it has none, of the test set; float32 even if they are streamed.

        Of videos, the first clip of each.
        """
        found = to_float((self.x_train if len(self.x_train) else self.x_test)[:n])
        return found if self.frames is None else found[:, :, : self.frames]


def data_from_splits(splits: Mapping[str, Split], classes: tuple[str, ...], name: str) -> ImageData:
    """The data of these sets: train, test and those of MORE."""
    train, test = splits["train"], splits["test"]
    extra_splits = {key: split for key, split in splits.items() if key in EXTRA_SPLITS}
    metadata = {"train": train.metadata, "test": test.metadata}
    content_id = {"train": train.content_id, "test": test.content_id}
    return ImageData(train.x, train.y, test.x, test.y, classes, name, extra_splits, metadata, content_id)


def _digest(digest: "hashlib._Hash", split: Split) -> None:
    for tensor in (split.x, split.y):
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        known = split.content_id.encode() if tensor.dtype == torch.uint8 else b""
        digest.update(known or tensor.contiguous().numpy().data)


def check_trainable(data: ImageData) -> None:
    """Raise InputError if there is nothing to train on: no training examples, or only one class among them."""
    if not len(data.y_train):
        hint = "give FOLDER/train and FOLDER/test, each with a folder a class, or weights that are trained already"
        raise InputError(f"{data.name}: holds a test set only, so there is nothing to train on", hint=hint)
    if len(data.y_train.unique()) < 2:
        raise InputError(f"{data.name}: all training labels are '{data.classes[int(data.y_train[0])]}'; two classes are needed")


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
