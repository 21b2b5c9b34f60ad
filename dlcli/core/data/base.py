"""Datasets of images or clips of video, how to load them, and how to split them."""

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
from dlcli.core.data.column_names import FILE as FILE
from dlcli.core.data.mask_labels import MaskReading
from dlcli.core.data.memmap import select_rows
from dlcli.core.data.preparation import Preparation
from dlcli.specs.masks import OUTSIDE
from dlcli.support.errors import InputError, UsageError
from dlcli.support.reporter import SILENT, Reporter

Array = NDArray[Any]
"""An array of any type."""

Metadata = Mapping[str, Array]
"""Columns about the examples besides their labels, by name: (n,) text, numbers or objects."""

EXTRA_SPLITS = ("dev", "train-dev")
"""Sets that a dataset may have besides training and test set (Ng, Structuring Machine Learning Projects)."""


CLASS, SCORE, MASK = "class", "score", "mask"
"""What an example has: a class, a score, or a mask, which has a class for each pixel."""
_STRATA = 10
"""In how many parts, by rank, scores are divided where examples are chosen."""


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video to take.

    Attributes:
        frames: Frames per clip; None for `default_frames`.
        clips: Clips per video; None for 1.
        fps: Frames per second; None spreads the frames over the whole video.
        default_frames: Frames per clip unless asked otherwise.
        default_size: Height and width in pixels unless asked otherwise.
    """

    frames: int | None = None
    clips: int | None = None
    fps: float | None = None
    default_frames: int = 8
    default_size: int = 112

    @property
    def shape(self) -> tuple[int, int]:
        """Clips per video and frames per clip.

        Returns:
            The two numbers, defaults filled in.
        """
        return self.clips or 1, self.frames or self.default_frames


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How to load a dataset.

    Attributes:
        strict: Raise InputError for an example that cannot be read, instead of a warning to `report`.
        report: Receives notes, warnings and progress.
        size: Resize every image to this height and width, in pixels.
        preparation: How to resize and crop files of images instead; with it there is no `size`.
        mixed_sizes: How to resize and crop images that differ in size, without both; None for the shorter side to 224.
        limit: Keep at most this many examples of each set, a fixed choice.
        sampling: Which frames of videos to take; None where the caller takes images only.
        unlabelled: Load every file below a folder, or a single file, without classes.
        split: With `unlabelled`, load the files of this set only.
        label_column: Column of a table that holds the labels or scores; None for a usual name.
        target: What examples have: a class, a score, which is a number, or a mask.
        raters: Columns of a table with what each rater gave, of scores.
        group: Metadata column of examples that belong together, which no split may part.
        masks: How label numbers of masks are read.
        option: Field of the configuration that names the dataset, for messages.
    """

    strict: bool = False
    report: Reporter = SILENT
    size: int | None = None
    preparation: Preparation | None = None
    mixed_sizes: Preparation | None = None
    limit: int | None = None
    sampling: Sampling | None = None
    unlabelled: bool = False
    split: str | None = None
    label_column: str | None = None
    target: str = CLASS
    raters: tuple[str, ...] = ()
    group: str | None = None
    masks: MaskReading = MaskReading()
    option: str = "data"

    def require_sampling(self, spec: str) -> Sampling:
        """The sampling of the videos that `spec` names; raises UsageError if the caller takes images only."""
        if self.sampling is None:
            hint = "dlcli train, dlcli eval and dlcli predict take clips"
            raise UsageError(f"`{self.option}`: {spec} holds clips of video, and this command takes images only", hint=hint)
        return self.sampling


LOAD_DEFAULTS = LoadOptions()
"""Everything, in its own size."""


@dataclass(frozen=True)
class Split:
    """One set of a dataset: images, labels and metadata.

    Images that do not fit into memory are streamed: `x` is then a read-only uint8 tensor in 0 to 255, usually mapped from a
    file, which `core/compute/loader.py` converts batch by batch.

    Attributes:
        x: Images (n, c, h, w) or clips (n, c, t, h, w), float32 in [0, 1] or streamed.
        y: Labels (n,) int64, scores (n,) float32, or masks (n, h, w) uint8.
        metadata: Columns (n,) by name.
        content_id: Identifies the images where they are streamed, since hashing them would take too long.
    """

    x: Tensor
    y: Tensor
    metadata: Metadata = field(default_factory=dict)
    content_id: str = ""

    def take(self, which: NDArray[Any]) -> "Split":
        """Select the examples at the indices `which`, or where the mask `which` (n,) is true.

        Raises ResourceError if the images are streamed and the disk has no room for a copy of these.
        """
        picked, metadata = torch.from_numpy(which), {name: column[which] for name, column in self.metadata.items()}
        if self.x.is_floating_point():
            return Split(self.x[picked], self.y[picked], metadata)
        rows = np.flatnonzero(which) if which.dtype == bool else which
        chosen = hashlib.sha256(rows.astype(np.int64).tobytes()).hexdigest()
        content_id = f"{self.content_id} {chosen}" if self.content_id else ""
        return Split(select_rows(self.x, rows), self.y[picked], metadata, content_id)


@dataclass(frozen=True)
class Steps:
    """What the steps of sequences are.

    Attributes:
        rate: Steps per second; None if that is unknown.
        symbols: The characters that stand for the channels, one of which is 1 at each step; empty for numbers.
        predicted: Whether the next step is predicted from each, and not the class of the whole sequence.
        channels: The names of the channels, where the data name them; empty where their order is all there is.
    """

    rate: float | None = None
    symbols: tuple[str, ...] = ()
    predicted: bool = False
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageData:
    """A dataset of images, clips or sequences, split into training set, test set and optional others.

    Videos are (n, c, t, h, w): `clips` clips with the same number of frames, one after the other along t. Sequences are
    (n, channels, t), padded as `dlcli.core.compute.padding` says.

    Attributes:
        x_train: Images (n, c, h, w) or clips, float32 in [0, 1] or streamed, see `Split`. A dataset that has only a test set
            has a training set with no examples.
        y_train: Labels (n,) int64, indices into `classes`; 0 for unlabelled data; or scores (n,) float32, or masks (n, h, w)
            uint8.
        x_test: Images of the test set.
        y_test: Labels of the test set.
        classes: Names of the classes, or of the outputs of a network for scores; none for unlabelled data.
        name: Name for messages; not part of the fingerprint.
        extra_splits: Other sets, by the names of EXTRA_SPLITS.
        metadata: Metadata of `train` and `test`.
        content_id: Content ids of `train` and `test`.
        clips: Clips per video.
        steps: What the steps of sequences are.
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
    steps: Steps = Steps()

    @property
    def splits(self) -> dict[str, Split]:
        """Every set by name: train, test and those of `extra_splits`."""
        train = Split(self.x_train, self.y_train, self.metadata.get("train", {}), self.content_id.get("train", ""))
        test = Split(self.x_test, self.y_test, self.metadata.get("test", {}), self.content_id.get("test", ""))
        return {"train": train, "test": test, **self.extra_splits}

    def with_splits(self, splits: Mapping[str, Split], name: str | None = None) -> "ImageData":
        """The same classes with other sets: train, test and those of EXTRA_SPLITS."""
        found = data_from_splits(splits, self.classes, self.name if name is None else name)
        return replace(found, clips=self.clips, steps=self.steps)

    @property
    def target(self) -> str:
        """What examples have, CLASS, SCORE or MASK."""
        if self.y_test.dim() > 1:
            return MASK
        return SCORE if self.y_test.is_floating_point() else CLASS

    @property
    def channels(self) -> int:
        """Number of colour channels of an image."""
        return self.x_train.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image, or 1 and the number of steps of the longest sequence.

        Returns:
            The two numbers, in pixels or steps.
        """
        return 1 if self.is_sequences else self.x_train.shape[-2], self.x_train.shape[-1]

    @property
    def is_sequences(self) -> bool:
        """Whether examples are sequences, not images or clips."""
        return self.x_train.dim() == 3

    @property
    def frames(self) -> int | None:
        """Number of frames of a clip; None for images."""
        return self.x_train.shape[2] // self.clips if self.x_train.dim() == 5 else None

    @property
    def unit(self) -> str:
        """What an example is called in messages: `image`, `video` or `sequence`."""
        return "sequence" if self.is_sequences else "image" if self.frames is None else "video"

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that the images take; streamed ones take none."""
        return sum(split.x.nbytes for split in self.splits.values() if split.x.is_floating_point())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all examples, labels, class names and the split, but not of the name.

        Streamed images have another fingerprint than the same images in memory.
        """
        digest = hashlib.sha256(repr(self.classes).encode())
        if self.clips > 1:  # the same frames may be divided into more, shorter clips
            digest.update(f"{self.clips} clips\n".encode())
        for name, split in self.splits.items():
            if name not in self.extra_splits:
                _digest(digest, split)
        for name, split in sorted(self.extra_splits.items()):
            digest.update(f"{name}\n".encode())
            _digest(digest, split)
        return digest.hexdigest()

    def frame_template(self) -> "ImageData":
        """A dataset without examples that has the shape and classes of single frames, to build an image network for."""
        nothing, labels = self.x_train[:0], self.y_train[:0]
        nothing = nothing if self.frames is None else nothing[:, :, 0]
        return ImageData(nothing, labels, nothing, labels, self.classes, self.name)

    def sample(self, n: int) -> Tensor:
        """The first `n` images of the training set or, if it is empty, of the test set, as float32.

        Of videos, the first clip of each.
        """
        found = to_float((self.x_train if len(self.x_train) else self.x_test)[:n])
        return found if self.frames is None else found[:, :, : self.frames]


def data_from_splits(splits: Mapping[str, Split], classes: tuple[str, ...], name: str) -> ImageData:
    """Build a dataset of these sets: train, test and those of EXTRA_SPLITS."""
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
    """Raise InputError if there is nothing to train on: no training examples, or only one class or score among them."""
    if not len(data.y_train):
        hint = "provide FOLDER/train and FOLDER/test, each with one folder per class, or trained weights"
        raise InputError(f"{data.name}: has only a test set and nothing to train on", hint=hint)
    if data.target == MASK:
        labels = data.y_train[data.y_train < OUTSIDE].unique()
        if len(labels) < 2:
            raise InputError(
                f"{data.name}: all training pixels have the label {int(labels[0])}; at least two labels are needed"
            )
        return
    if len(data.y_train.unique()) < 2:
        first = data.y_train[0].item()
        of = f"scores are {first:g}; at least two scores are" if data.target == SCORE else ""
        of = of or f"labels are '{data.classes[int(first)]}'; at least two classes are"
        raise InputError(f"{data.name}: all training {of} needed")


def labels_tensor(y: Array) -> Tensor:
    """Labels (n,) as a tensor int64, scores as one of float32."""
    return torch.from_numpy(y.astype(np.float32 if y.dtype.kind == "f" else np.int64))


def strata(y: Array) -> Array:
    """What each example is chosen by, so that a choice looks like the whole: its class or, of scores (n,), its tenth by rank.

    Equal scores are in the same tenth, and examples with masks are all alike.
    """
    if y.ndim > 1:
        return np.zeros(len(y), dtype=np.int64)
    if y.dtype.kind != "f":
        return y
    first = np.searchsorted(np.sort(y), y)
    found: NDArray[np.int64] = (first * _STRATA // max(1, len(y))).astype(np.int64)
    return found


def hold_out(labels: Array, share: float, seed: int = 0, *, group: Array | None = None) -> NDArray[np.bool_]:
    """Choose a `share` of each class to hold out, as a mask (n,); of two or more examples at least one, and not all.

    Of scores it is a share of each tenth (`strata`); with groups whole groups are chosen instead, until they have that share.
    The choice depends only on the labels, their order and `seed`, not on the machine or library versions.

    Args:
        labels: Labels or scores, (n,).
        share: In (0, 1).
        seed: Of the choice.
        group: The group of each example, (n,), which is held out as a whole or not at all; None without groups.
    """
    if group is not None:
        return _whole_groups(group, share, seed)
    held = np.zeros(len(labels), dtype=bool)
    for of_class in _shuffled_classes(strata(labels), seed):
        most = len(of_class) - 1
        held[of_class[: min(most, max(1, round(len(of_class) * share)))]] = True
    return held


def _whole_groups(group: Array, share: float, seed: int) -> NDArray[np.bool_]:
    """Groups in random order until the next one would take the share further away than it is; one at least, and not all."""
    names, number, sizes = np.unique(group, return_inverse=True, return_counts=True)
    wanted, taken = share * len(group), 0
    chosen: list[int] = []
    for k in np.argsort(np.random.PCG64(seed).random_raw(len(names)), kind="stable")[: len(names) - 1]:
        if not chosen or abs(taken + sizes[k] - wanted) <= abs(taken - wanted):
            chosen.append(int(k))
            taken += sizes[k]
    found: NDArray[np.bool_] = np.isin(number, chosen)
    return found


def draw_of_each(labels: Array, n: int, seed: int) -> NDArray[np.intp]:
    """Sorted indices of `n` examples of each class, or all it has; a smaller `n` draws a part of them."""
    return np.sort(np.concatenate([of_class[:n] for of_class in _shuffled_classes(labels, seed)]))


def choose(labels: Array, limit: int | None) -> NDArray[np.intp]:
    """Sorted indices of at most `limit` examples: one per class first, then in proportion to the classes; a fixed choice."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    place = np.empty(len(labels))
    for of_class in _shuffled_classes(strata(labels), 0):
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
        place[of_class[0]] = 0
    return np.sort(np.argsort(place, kind="stable")[:limit])


def _shuffled_classes(labels: Array, seed: int) -> list[NDArray[np.intp]]:
    """The indices of the examples of each class, shuffled by `seed`."""
    # Raw output of the bit generator: NumPy guarantees that this never changes between versions, unlike permutations.
    keys = np.random.PCG64(seed).random_raw(len(labels))
    order = np.argsort(labels, kind="stable")
    ends = np.unique(labels[order], return_index=True)[1][1:]
    return [of_class[np.argsort(keys[of_class])] for of_class in np.split(order, ends)]
