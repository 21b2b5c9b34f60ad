"""File names that look like frames of films, or pictures of subjects: examples that are not independent."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.column_names import FILE
from dlcli.support.plural import count

if TYPE_CHECKING:  # which imports torch
    from dlcli.core.data.base import Array, Split

_NUMBERED = re.compile(r"(.*?)(?<!\d)(\d{1,7})", re.DOTALL)
"""A longer number is a date or an identifier."""
_DATE = re.compile(r"(19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d")
"""Cameras name pictures by the time; those of one day are not one film."""
_FILM = re.compile(r"(?<![a-z])(frames?|videos?|vid|clips?|seq|sequences?|films?|movies?|scenes?)(?![a-z])")
_LEAST = 3
"""Files of one series, on average."""


class Series(NamedTuple):
    """What the names of some files have in common before their number, and how many files that are."""

    prefix: str
    n: int


def dependence_notes(split: "Split", groups: NDArray[np.int64] | None, column: str | None, unit: str) -> tuple[str, ...]:
    """What there is to say about how the examples of a test set depend on each other.

    Args:
        split: The set, which has file names as metadata if it comes from files.
        groups: The group of each example, (n,) from 0 on; None without groups.
        column: The metadata column that names them.
        unit: What an example is called, such as `image`.

    Returns:
        How many groups there are; without groups, that file names look like frames of films, if they do.
    """
    return file_notes(split.metadata.get(FILE), split.y.numpy(), groups, column, unit)


def file_notes(
    files: Iterable[str] | None, y: "Array", groups: NDArray[np.int64] | None, column: str | None, unit: str
) -> tuple[str, ...]:
    """`dependence_notes` of examples by the names of their files.

    Args:
        files: The names, (n,); None without files.
        y: The labels, as `series_of` takes them.
        groups: The group of each example, (n,) from 0 on; None without groups.
        column: The metadata column that names them.
        unit: What an example is called, such as `image`.

    Returns:
        The notes.
    """
    if groups is not None:
        number = int(groups.max()) + 1
        there = f"{'is' if number == 1 else 'are'} {count(number, 'group')}"
        return (f"Intervals are by '{column}', of which there {there}: {unit}s of one are not independent.",)
    found = None if files is None else series_of(files, y)
    if found is None:
        return ()
    return (
        f"File names look like several {unit}s of one film or subject: {found.n} are called {found.prefix}*. Such {unit}s are "
        "not independent, and intervals are too narrow; give the column that names film or subject as `group`.",
    )


def series_of(files: Iterable[str], y: "Array") -> Series | None:
    """The largest numbered series of file names, if they look like several films or subjects, or are called frames.

    Names that differ in a number only are a series. A single series in each class is how files are usually numbered, so that
    at least one class must have two, unless a name has a word such as frame or video.

    Args:
        files: The names, (n,).
        y: The labels, (n,), or scores or masks, which count as one class.

    Returns:
        The series with most files; None if the names do not look like that.
    """
    names = list(files)
    labels = y if y.ndim == 1 and np.issubdtype(y.dtype, np.integer) else np.zeros(len(names))
    members: dict[str, int] = defaultdict(int)
    classes: dict[object, set[str]] = defaultdict(set)
    for name, label in zip(names, labels.tolist(), strict=True):
        stem = name.rsplit(".", 1)[0]
        if (numbered := _NUMBERED.fullmatch(stem)) and not _DATE.search(numbered[1]):
            members[numbered[1]] += 1
            classes[label].add(numbered[1])
    if not members or 2 * sum(members.values()) < len(names) or sum(members.values()) < _LEAST * len(members):
        return None
    largest = max(members, key=lambda prefix: (members[prefix], prefix))
    several = any(len({prefix.rsplit("/", 1)[-1] for prefix in one}) > 1 for one in classes.values())
    if not several and not _FILM.search(largest.casefold()):
        return None
    return Series(largest, members[largest])
