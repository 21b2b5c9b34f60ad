"""The files of a dataset with their classes, divided into sets: what every source of images lists before any is decoded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.base import FILE, Array, Metadata, hold_out
from dlcli.core.data.class_labels import BLANK, ClassLabels
from dlcli.core.data.groups import groups_of
from dlcli.core.data.score_labels import OUTPUT, ScoreLabels
from dlcli.core.data.set_names import resolve_val
from dlcli.core.data.stored_images import ImageFile
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

_TEST_SHARE = 1 / 5


@dataclass(frozen=True)
class Files:
    """Files, the indices of their classes y (n,) int64, or their scores (n,) float64, and their metadata."""

    paths: Sequence[ImageFile]
    y: Array
    metadata: Metadata = field(default_factory=dict)

    def take(self, which: NDArray[Any]) -> "Files":
        """Select the files at the indices `which`, or where the mask `which` is true."""
        indices = np.flatnonzero(which) if which.dtype == bool else which
        metadata = {name: column[indices] for name, column in self.metadata.items()}
        return Files([self.paths[k] for k in indices.tolist()], self.y[indices], metadata)


@dataclass(frozen=True)
class Listing:
    """The files of each set (train, test, dev, train-dev; test always exists), and the names of the classes or of the score."""

    sets: dict[str, Files]
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Examples as a table or an archive lists them, in its order.

    Attributes:
        source: What lists them, for messages.
        files: The images.
        names: Their names, relative to where they are looked for.
        labels: Their classes or scores.
        sets: The set of each, as `SetName.name`; None if there are no sets.
        metadata: Columns about them.
        word: What a file holds, such as `image`.
    """

    source: str
    files: Sequence[ImageFile]
    names: Sequence[str]
    labels: ClassLabels | ScoreLabels
    sets: Sequence[str] | None = None
    metadata: Metadata = field(default_factory=dict)
    word: str = "image"

    @property
    def classes(self) -> ClassLabels:
        """The labels, where they are classes."""
        if not isinstance(self.labels, ClassLabels):
            raise TypeError("these examples have scores")
        return self.labels

    def unlabelled(self) -> Listing:
        """All of them in their order, as a test set without classes."""
        return Listing({"test": self.all_files(np.zeros(len(self.files), dtype=np.int64))}, ())

    def all_files(self, y: Array) -> Files:
        """All of them in their order, with the classes or scores `y` (n,)."""
        names = np.array(self.names, dtype=object)
        ratings = self.labels.raters if isinstance(self.labels, ScoreLabels) else {}
        return Files(self.files, y, {**self.metadata, **ratings, FILE: names})


def with_held_out_test(source: str, files: Files, word: str, group: str | None = None) -> dict[str, Files]:
    """A training set and a test set, a fixed fifth of each class, or of the groups.

    Args:
        source: What lists the files, for messages.
        files: The files.
        word: What a file holds, such as `image`.
        group: Metadata column of files that are in the same set.

    Raises:
        InputError: If no class has two files, or all are one group.
    """
    held = hold_out(files.y, _TEST_SHARE, group=groups_of(files.metadata, group, source))
    if not held.any():
        if group is not None:
            raise InputError(f"`group`: all of {source} is one group by '{group}'", hint="choose another column")
        message = f"{source}: no class has two {word}s, so none can be held out for testing"
        raise InputError(message, hint=f"add {word}s to a class")
    return {"train": files.take(~held), "test": files.take(held)}


def form_sets(rows: LabelledRows, report: Reporter, group: str | None = None) -> Listing:
    """Divide examples into sets, each sorted by class or score, and by name, as the files of folders are.

    So the same examples give the same sets, in the same order, from whatever source they come. Without a test set a fixed
    fifth of each class of the training set becomes one. The training set, or without one the test set, defines the classes.

    Args:
        rows: The examples.
        report: Receives warnings about examples and classes that are not used.
        group: Metadata column of examples that are in the same set.

    Returns:
        The sets and the classes.

    Raises:
        InputError: If there are fewer than two classes to train on, neither training nor test set, or a class that the training
            set lacks.
    """
    scores = rows.labels.y if isinstance(rows.labels, ScoreLabels) else None  # of all examples
    sets = _by_set(rows, with_labels(rows, report) if scores is None else np.arange(len(rows.files)))
    leading = "train" if "train" in sets else "test"
    if leading not in sets:
        raise InputError(f"{rows.source}: has {' and '.join(sets)}, but neither train nor test")
    y: Array
    if scores is None:
        classes, y = _used_classes(rows, sets, leading, report)
        _refuse_unknown(rows, sets, leading, y)
    else:
        classes, y = OUTPUT, scores
    files = {name: _sorted(rows, which, y) for name, which in sets.items()}
    if "test" not in files:
        files |= with_held_out_test(rows.source, files["train"], rows.word, group)
    return Listing(files, classes)


def test_set_of(rows: LabelledRows, report: Reporter) -> Listing:
    """All examples with a label as the test set, in their order, without a training set.

    Raises InputError if no example has a label.
    """
    return Listing({"test": rows.all_files(rows.classes.y).take(with_labels(rows, report))}, rows.classes.classes)


def with_labels(rows: LabelledRows, report: Reporter) -> NDArray[np.intp]:
    """The indices of the examples that have a label; others draw a warning. Raises InputError if there are none."""
    labelled = np.flatnonzero(rows.classes.y != BLANK)
    skipped = len(rows.files) - len(labelled)
    if not len(labelled):
        raise InputError(f"{rows.source}: none of its {count(skipped, rows.word)} has a label")
    if skipped:
        report.warn(f"{rows.source}: skipped {count(skipped, rows.word)} without a label")
    return labelled


def _by_set(rows: LabelledRows, labelled: NDArray[np.intp]) -> dict[str, NDArray[np.intp]]:
    if rows.sets is None:
        return {"train": labelled}
    there = {rows.sets[k] for k in labelled}
    resolved = {name: resolve_val(name, there) for name in there}
    twice = [name for name, number in Counter(resolved.values()).items() if number > 1]
    if twice:
        both = " and ".join(sorted(name for name in resolved if resolved[name] == twice[0]))
        raise InputError(f"{rows.source}: both {both} would be the {twice[0]} set", hint="rename one of them")
    names = np.array([resolved[rows.sets[k]] for k in labelled])
    return {name: labelled[names == name] for name in sorted(set(resolved.values()))}


def _used_classes(
    rows: LabelledRows, sets: dict[str, NDArray[np.intp]], leading: str, report: Reporter
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes and the labels as indices into them: those of the leading set, or all if their source numbers them."""
    labels = rows.classes
    used = np.unique(labels.y[sets[leading]])
    if len(used) < 2 and leading == "train":
        only = f"is of one class only, '{labels.classes[used[0]]}'"
        raise InputError(f"{rows.source}: every {rows.word} to train on {only}; at least two classes are needed")
    if labels.fixed:
        return labels.classes, labels.y
    there = set(labels.y.tolist())
    empty = [name for k, name in enumerate(labels.classes) if k not in there]
    if empty:
        shown = ", ".join(f"'{name}'" for name in empty[:3]) + (" ..." if len(empty) > 3 else "")
        report.warn(f"{rows.source}: no {rows.word} is of {shown} ({len(empty)} in total), so it is not a class")
    index = np.full(len(labels.classes) + 1, -1, dtype=np.int64)  # the last one is for BLANK
    index[used] = np.arange(len(used))
    return tuple(labels.classes[k] for k in used), index[labels.y]


def _refuse_unknown(rows: LabelledRows, sets: dict[str, NDArray[np.intp]], leading: str, y: NDArray[np.int64]) -> None:
    for name, which in sets.items():
        unknown = which[y[which] < 0]
        if len(unknown):
            first = rows.classes.classes[rows.classes.y[unknown[0]]]
            what = f"{count(len(unknown), rows.word)} of its {name} set"
            raise InputError(
                f"{rows.source}: {leading} has no class '{first}', and {what} {'is' if len(unknown) == 1 else 'are'} of such "
                "classes",
                hint=f"add {rows.word}s of '{first}' to {leading}, or remove these",
            )


def _sorted(rows: LabelledRows, which: NDArray[np.intp], y: Array) -> Files:
    places = sorted(which.tolist(), key=lambda k: (y[k], path_order(rows.names[k])))
    return rows.all_files(y).take(np.array(places, dtype=np.intp))


def path_order(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts names as `all_files` lists them: the files of a folder, then its folders."""
    *folders, file = name.split("/")
    return (*((1, folder) for folder in folders), (0, file))
