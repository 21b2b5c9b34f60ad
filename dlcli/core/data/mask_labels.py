"""Masks as arrays of label numbers, and the checks that all of them pass, from whatever source they come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlcli.specs.masks import OUTSIDE, VOID
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter

MOST_CLASSES = OUTSIDE
BINARY = (0, 255)
"""The values of masks that programs for drawing write: background and foreground."""
FOREGROUND = ("background", "foreground")
"""What the classes of such masks are called."""

Masks = NDArray[np.uint8]


@dataclass(frozen=True)
class MaskReading:
    """How label numbers are read.

    Attributes:
        ignore: A number that stands for no label, besides VOID; None for no other.
        classes: The names of the classes, where they are known already; none: those of the data, or their numbers.
        binary: Whether 0 and 255 are the two classes; None to find out.
    """

    ignore: int | None = None
    classes: tuple[str, ...] = ()
    binary: bool | None = None


def number_of(mask: NDArray[np.integer], value: int) -> int:
    """How many pixels have a value."""
    return int((mask == value).sum())


def read_numbers(where: str, found: NDArray[np.integer], reading: MaskReading) -> Masks:
    """Label numbers as uint8 with VOID for those that are ignored.

    Args:
        where: The file or array, for messages.
        found: Whole numbers of any type and shape.
        reading: How they are read.

    Raises:
        InputError: For a number that cannot be a label, with how many pixels have it.
    """
    ignored = np.zeros(found.shape, dtype=bool) if reading.ignore is None else found == reading.ignore
    wrong = ~ignored & ((found < 0) | (found > VOID) | (found == OUTSIDE))
    if wrong.any():
        value = int(found[wrong][0])
        hint = f"number the classes from 0 up, {MOST_CLASSES} at most; {VOID} and `ignore=N` are without a label"
        raise InputError(f"{where}: {count(number_of(found, value), 'pixel')} have the value {value}, not a label", hint=hint)
    return np.where(ignored, VOID, found).astype(np.uint8)


def values_of(masks: Masks) -> NDArray[np.int64]:
    """How many pixels have each value, (256,)."""
    return np.bincount(masks.reshape(-1), minlength=VOID + 1)


def are_binary(values: NDArray[np.int64], reading: MaskReading) -> bool:
    """Whether masks with these counts of values (256,) hold 0 and 255 as background and foreground."""
    if reading.binary is not None:
        return reading.binary
    there = np.flatnonzero(values)
    return reading.ignore is None and set(there[there != OUTSIDE].tolist()) == set(BINARY)


def foreground_as_class(masks: Tensor) -> Tensor:
    """Binary masks (n, h, w) with their foreground as class 1."""
    return masks.masked_fill(masks == VOID, 1)


def class_names(where: str, values: NDArray[np.int64], reading: MaskReading, named: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the classes: those that are known, those of the data, or the numbers from 0 to the largest label.

    Args:
        where: The data, for messages.
        values: How many pixels have each value, (256,).
        reading: What is known.
        named: The names in the data; None without any.

    Raises:
        InputError: If the data name other classes than those that are known.
    """
    if reading.classes:
        if named is not None and tuple(named) != reading.classes:
            raise InputError(
                f"{where}: its classes are {', '.join(named[:5])}, and those of the network {', '.join(reading.classes[:5])}",
                hint="give both the same classes.txt, in the same order",
            )
        return reading.classes
    if named is not None:
        return tuple(named)
    if reading.binary:
        return FOREGROUND
    labels = np.flatnonzero(values[:OUTSIDE])
    return tuple(map(str, range(int(labels[-1]) + 1))) if len(labels) else ()


def check_labels(name: Callable[[int], str], masks: Masks, classes: Sequence[str]) -> None:
    """Raise InputError for a mask with a label that is not a class.

    Args:
        name: What the mask of an index is called.
        masks: All masks, (n, h, w).
        classes: The names of the classes.
    """
    if not (values_of(masks)[len(classes) : OUTSIDE]).any():
        return
    for k, mask in enumerate(masks):
        wrong = mask[(mask >= len(classes)) & (mask < OUTSIDE)]
        if len(wrong):
            value = int(wrong[0])
            there = f"there are {count(len(classes), 'class', 'classes')}, 0 to {len(classes) - 1}"
            raise InputError(
                f"{name(k)}: {count(number_of(mask, value), 'pixel')} have the label {value}, and {there}",
                hint=f"add the class to classes.txt, or ignore the label with `ignore={value}`",
            )


def has_labels(masks: Masks) -> NDArray[np.bool_]:
    """Which masks (n, h, w) have a label at all, (n,)."""
    return np.array([bool((mask < OUTSIDE).any()) for mask in masks], dtype=bool)


def warn_of_absent(where: str, masks: Masks, classes: Sequence[str], report: Reporter) -> None:
    """Warn of classes that no pixel to train on has.

    Args:
        where: The data, for messages.
        masks: Those of the training set.
        classes: The names of all classes.
        report: Receives the warning.
    """
    counts = values_of(masks)
    absent = [name for k, name in enumerate(classes) if not counts[k]]
    if absent:
        some = ", ".join(f"'{name}'" for name in absent[:5]) + (" ..." if len(absent) > 5 else "")
        report.warn(f"{where}: no training pixel is of class {some}, which the network cannot learn")


def sizes_of(masks: Masks) -> NDArray[np.int64]:
    """Height and width of the picture of each mask (n, h, w), which may be smaller than the array, (n, 2)."""
    if not len(masks) or not (masks[:, -1:, :1] == OUTSIDE).any() and not (masks[:, :1, -1:] == OUTSIDE).any():
        return np.tile(np.array(masks.shape[1:], dtype=np.int64), (len(masks), 1))
    heights = (masks[:, :, 0] != OUTSIDE).sum(1)
    widths = (masks[:, 0, :] != OUTSIDE).sum(1)
    return np.stack([heights, widths], 1).astype(np.int64)
