"""Sequences as the formats read them, and the dataset that they become."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dlcli.core.compute.padding import padded
from dlcli.core.data.base import EXTRA_SPLITS, Array, ImageData, Split, Steps, data_from_splits, hold_out
from dlcli.core.data.class_labels import class_order
from dlcli.core.data.groups import groups_of
from dlcli.core.data.sequences.precision import check_precision
from dlcli.support.errors import InputError
from dlcli.support.memory import check_memory
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter

Floats = NDArray[np.float32] | NDArray[np.float64]
"""Values as they are read; the dataset has them in float32, once it is sure that they keep what tells them apart."""

_LEAST_TO_CUT = 20
"""Steps from which on a single sequence is cut into a training and a test set."""
TEST_SHARE = 1 / 5
"""The share of each class that is held out as test set where the data have none."""
MEMORY_HINT = "use fewer sequences with `limit=N`, or of sounds fewer steps with `rate=HZ`"


@dataclass(frozen=True, kw_only=True)
class SequenceOptions:
    """How to load sequences.

    Attributes:
        strict: Raise InputError for an example that cannot be read, where images are the sequences.
        report: Receives notes and warnings.
        limit: Keep at most this many examples of each set, a fixed choice.
        unlabelled: Load the file that is named, or every file below a folder, without classes.
        split: With `unlabelled`, load this set only.
        labels: Whether classes are needed; None reads them where there are some.
        label_column: Column of a table that holds the labels; None for a usual name.
        group: Metadata column of examples of which no split parts a group.
        rate: Steps per second that sounds are converted to; None for their own.
        pad: Whether rows of a table may differ in length.
        steps: Cut longer sequences into pieces of this many steps; None for whole ones.
        symbols: Characters of texts, in the order of the channels; empty to take those of the training set.
        channels: Columns of values of a table with a row per step, in the order of the channels; empty to take all.
    """

    strict: bool = False
    report: Reporter = SILENT
    limit: int | None = None
    unlabelled: bool = False
    split: str | None = None
    labels: bool | None = True
    label_column: str | None = None
    group: str | None = None
    rate: int | None = None
    pad: bool = False
    steps: int | None = None
    symbols: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sequences:
    """Some sequences with their labels.

    Attributes:
        values: Each (channels, t).
        labels: Their classes as text; None without labels.
        metadata: Columns about them, (n,).
        where: What an example is called in messages, by its index.
    """

    values: Sequence[Floats]
    labels: Sequence[str] | None
    metadata: Mapping[str, Array] = field(default_factory=dict)
    where: Callable[[int], str] = lambda k: f"sequence {k}"

    def take(self, which: NDArray[np.intp]) -> "Sequences":
        """Those at the indices `which`."""
        labels = None if self.labels is None else [self.labels[k] for k in which]
        metadata = {name: column[which] for name, column in self.metadata.items()}
        return Sequences([self.values[k] for k in which], labels, metadata, lambda k: self.where(int(which[k])))


@dataclass(frozen=True)
class Found:
    """What a format read: the sequences of each set, where "" is data that are not divided, and what their steps are."""

    sets: Mapping[str, Sequences]
    steps: Steps = Steps()


def dataset(name: str, found: Found, options: SequenceOptions) -> ImageData:
    """The dataset of these sequences; without a test set a fixed fifth of each class, or of the groups, becomes one.

    Args:
        name: Its name, for messages.
        found: The sequences.
        options: How they are loaded.

    Returns:
        The dataset, padded to its longest sequence; one that has no training set, or is loaded without labels, as a test set.

    Raises:
        InputError: If a value is not a number, channels or classes do not match, or nothing can be held out.
        ResourceError: If memory does not suffice.
    """
    sets = {key: one for key, one in found.sets.items() if len(one.values)}
    if not sets:
        raise InputError(f"{name}: holds no sequences")
    for one in sets.values():
        _check_values(name, one)
    _check_channels(name, list(sets.values()))
    complete = all(one.labels is not None and all(one.labels) for one in sets.values())
    labelled = not options.unlabelled and (complete if options.labels is None else options.labels)
    if options.unlabelled:
        sets = {"test": _chosen(name, sets, options.split)}
    if not labelled:
        sets = {key: Sequences(one.values, None, one.metadata, one.where) for key, one in sets.items()}
    classes = _classes(name, sets) if labelled else ()
    if "test" not in sets:
        sets = _with_held_out(name, sets, classes, options)
    check_precision(name, {key: one.values for key, one in sets.items()}, options.report)
    if options.steps is not None:
        sets = {key: cut(one, options.steps) for key, one in sets.items()}
    longest = max(values.shape[1] for one in sets.values() for values in one.values)
    check_memory(sum(4 * len(one.values) for one in sets.values()) * _channels(sets) * longest, name, MEMORY_HINT)
    splits = {key: _split(one, classes, longest) for key, one in sets.items()}
    test = splits.get("test") or next(iter(splits.values()))
    empty = Split(test.x[:0], test.y[:0])
    chosen = {"train": splits.get("train", empty), "test": test}
    chosen |= {key: split for key, split in splits.items() if key in EXTRA_SPLITS}
    built = data_from_splits(chosen, classes, name)
    return ImageData(**{**vars(built), "steps": found.steps})


def _chosen(name: str, sets: Mapping[str, Sequences], split: str | None) -> Sequences:
    """The set of data whose labels are not wanted: the one that is asked for, else the test set, or the only one."""
    if split is not None and split not in sets and "" not in sets:
        raise InputError(f"{name}: has no split '{split}'", hint=f"it has {', '.join(sets)}")
    return next(sets[key] for key in (split or "test", "test", "", *sets) if key in sets)


def _place(name: str, sequences: Sequences, k: int) -> str:
    """Where a sequence stands, without its file where that is the data."""
    where, file = sequences.where(k), Path(name).name
    return f"{name}: {where.removesuffix(f' of {file}').removesuffix(f' in {file}')}"


def _check_values(name: str, sequences: Sequences) -> None:
    for k, values in enumerate(sequences.values):
        if not values.shape[1]:
            raise InputError(f"{_place(name, sequences, k)} is empty", hint="remove it")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            channel, step = bad[0].tolist()
            of = f"channel {channel + 1}, " if len(values) > 1 else ""
            what = f"{of}step {step + 1} is {values[channel, step]}"
            raise InputError(f"{_place(name, sequences, k)}: {what}", hint="fill missing values in, or remove the sequence")


def _check_channels(name: str, sets: Sequence[Sequences]) -> None:
    first = len(sets[0].values[0])
    for one in sets:
        for k, values in enumerate(one.values):
            if len(values) != first:
                has = f"{count(len(values), 'channel')}, and {sets[0].where(0)} has {first}"
                raise InputError(f"{_place(name, one, k)} has {has}", hint="give all sequences the same channels")


def _channels(sets: Mapping[str, Sequences]) -> int:
    return len(next(iter(sets.values())).values[0])


def _classes(name: str, sets: Mapping[str, Sequences]) -> tuple[str, ...]:
    """The classes of the training set or, without one, of the test set; other sets may have no others."""
    leading = next(key for key in ("train", "", "test", *sets) if key in sets)
    for one in sets.values():
        blank = [k for k, label in enumerate(one.labels or ()) if not label]
        if one.labels is None or blank:
            raise InputError(
                f"{_place(name, one, blank[0] if blank else 0)} has no label", hint="add one, or remove the sequence"
            )
    classes = tuple(class_order(sets[leading].labels or ()))
    if len(classes) < 2:
        raise InputError(f"{name}: all labels are '{classes[0]}'; at least two classes are needed")
    for key, one in sets.items():
        for k, label in enumerate(one.labels or ()):
            if label not in classes:
                message = f"{_place(name, one, k)} of the {key} set is of class '{label}', which the training set lacks"
                raise InputError(message, hint=f"add sequences of '{label}' to it, or remove these")
    return classes


def cut(sequences: Sequences, steps: int) -> Sequences:
    """The same in pieces of `steps`, without a last one of a single step."""
    places = [
        (k, begin)
        for k, values in enumerate(sequences.values)
        for begin in range(0, values.shape[1], steps)
        if begin == 0 or values.shape[1] - begin > 1
    ]
    which = np.array([k for k, _ in places], dtype=np.intp)
    labels = None if sequences.labels is None else [sequences.labels[k] for k in which]
    metadata = {name: column[which] for name, column in sequences.metadata.items()}
    pieces = [sequences.values[k][:, begin : begin + steps] for k, begin in places]
    return Sequences(pieces, labels, metadata, lambda k: f"{sequences.where(places[k][0])}, step {places[k][1] + 1}")


def _in_two(one: Sequences, steps: int | None) -> dict[str, Sequences]:
    """A single sequence, of which the last fifth is the test set, and what whole pieces of `steps` before it leave over."""
    values = one.values[0]
    end = values.shape[1] - round(values.shape[1] * TEST_SHARE)
    if steps is not None:
        end -= end % steps if end > steps else 0
    first, last = (Sequences([part], one.labels, one.metadata, one.where) for part in (values[:, :end], values[:, end:]))
    return {"train": first, "test": last}


def _with_held_out(
    name: str, sets: Mapping[str, Sequences], classes: tuple[str, ...], options: SequenceOptions
) -> dict[str, Sequences]:
    key, group = "train" if "train" in sets else next(iter(sets)), options.group
    whole = sets[key]
    if len(whole.values) == 1 and not classes and whole.values[0].shape[1] >= _LEAST_TO_CUT:
        return {**{other: one for other, one in sets.items() if other != key}, **_in_two(whole, options.steps)}
    y = np.array([classes.index(label) for label in whole.labels or ()] or [0] * len(whole.values), dtype=np.int64)
    held = hold_out(y, TEST_SHARE, group=groups_of(whole.metadata, group, name))
    if not held.any():
        if group is not None:
            raise InputError(f"`group`: all of {name} is one group by '{group}'", hint="choose another column")
        message = f"{name}: no class has two sequences, so none can be held out for testing"
        raise InputError(message, hint="add sequences to a class, or give a test set")
    others = {other: one for other, one in sets.items() if other != key}
    return {"train": whole.take(np.flatnonzero(~held)), "test": whole.take(np.flatnonzero(held)), **others}


def _split(sequences: Sequences, classes: tuple[str, ...], steps: int) -> Split:
    index = {label: k for k, label in enumerate(classes)}
    y = [index[label] for label in sequences.labels] if classes and sequences.labels else [0] * len(sequences.values)
    return Split(padded(sequences.values, steps), torch.tensor(y, dtype=torch.int64), sequences.metadata)
