"""Datasets of named arrays: x and y, or x_train, y_train, x_test and y_test, and more sets and metadata beside them."""

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np

from dlcli.core.data.arrays import LabelledArrays, all_images, from_train_and_test, only_test, with_held_out_test
from dlcli.core.data.base import EXTRA_SPLITS, MASK, SCORE, Array, ImageData, LoadOptions
from dlcli.core.data.masked_data import load_masked_arrays
from dlcli.core.data.metadata import metadata_of
from dlcli.core.data.votes import HISTOGRAM, LEVELS, votes_of_counts
from dlcli.support.errors import InputError

UNSPLIT = ("x", "y")
SPLIT = ("x_train", "y_train", "x_test", "y_test")
TEST = SPLIT[2:]
MORE = {name: (f"x_{name.replace('-', '_')}", f"y_{name.replace('-', '_')}") for name in EXTRA_SPLITS}
SETS = {"": UNSPLIT, "train": SPLIT[:2], "test": TEST, **MORE}
"""The names of images and labels of each set; "" is data that are not divided into sets."""
_TEST_SHARE = 1 / 5


def from_named_arrays(name: str, arrays: Mapping[str, Array], options: LoadOptions) -> ImageData:
    """The sets that named arrays hold; of x and y a fixed fifth of each class becomes the test set.

    Args:
        name: Name of the dataset, for messages.
        arrays: Those that `images_and_labels` chose, which `from_train_and_test` describes, and metadata: NAME_test (or NAME)
            for y_test, NAME for y. Without x_train there is a test set only.
        options: With `unlabelled` the test set is all images, or those of `split`.

    Returns:
        The dataset.

    Raises:
        InputError: If an array cannot be used.
    """
    if options.target == MASK:
        return load_masked_arrays(name, arrays, SETS, options)
    if options.unlabelled and (options.split is None or not _has_sets(arrays)):
        return _every_image(name, arrays, options)
    target = options.target
    labelled = partial(_labelled, name, arrays, histogram=target == SCORE and options.raters == HISTOGRAM)
    extra_splits = {key: labelled(*keys) for key, keys in MORE.items() if set(keys) <= set(arrays)}
    if "x" in arrays:
        return with_held_out_test(name, labelled(*UNSPLIT), _TEST_SHARE, extra_splits, target=target, group=options.group)
    if "x_train" not in arrays:
        return only_test(name, labelled(*TEST), extra_splits, target=target)
    return from_train_and_test(name, labelled(*SPLIT[:2]), labelled(*TEST), extra_splits, target=target)


def images_and_labels(name: str, there: Iterable[str], hint: str = "") -> list[str]:
    """Which of the arrays called `there` are images and labels of sets; raises InputError, with `hint`, if some are missing."""
    found = list(there)
    extra_splits = [key for keys in MORE.values() if _has_both(name, found, *keys, hint=hint) for key in keys]
    for keys in (SPLIT, UNSPLIT):
        if set(keys) <= set(found):
            return [*keys, *extra_splits]
    if set(TEST) <= set(found) and not {"x_train", "y_train"} & set(found):
        return [*TEST, *extra_splits]
    has = ", ".join(found) or "no arrays"
    raise InputError(f"{name}: has {has}; needs {' and '.join(UNSPLIT)}, or {', '.join(SPLIT)}", hint=hint)


def _labelled(name: str, arrays: Mapping[str, Array], x: str, y: str, *, histogram: bool) -> LabelledArrays:
    votes = votes_of_counts(f"{name}: '{y}'", arrays[y], arrays.get(LEVELS)) if histogram else None
    return LabelledArrays(arrays[x], arrays[y], x, y, metadata_of(arrays, y), votes)


def _has_sets(arrays: Mapping[str, Array]) -> bool:
    """Whether there are images with labels, from which the sets can be made."""
    return any(set(keys) <= set(arrays) for keys in (SPLIT, UNSPLIT, TEST))


def _every_image(name: str, arrays: Mapping[str, Array], options: LoadOptions) -> ImageData:
    """The images of all sets one after the other, or of the one that is asked for, with their labels where all have some."""
    names = {keys[0]: key for key, keys in SETS.items() if keys[0] in arrays}
    if options.split is not None:
        names = {key: one for key, one in names.items() if one == options.split}
        if not names:
            raise InputError(f"{name}: has no split '{options.split}'", hint=f"it has {', '.join(arrays)}")
    images = {key: arrays[key] for key in names} if names else arrays  # else the one array of images
    labels = [arrays.get(SETS[names[key]][1]) if key in names else None for key in images]
    if len(images) > 1:
        ends = np.cumsum([len(found) for found in images.values()])
        rows = [f"{names[key]} to row {end - 1:,}" for key, end in zip(images, ends, strict=True)]
        options.report.note(f"{name}: the rows are those of {', '.join(rows)}; `split` predicts one of these sets")
    return all_images(name, images, labels)


def _has_both(name: str, there: list[str], x: str, y: str, *, hint: str) -> bool:
    if (x in there) != (y in there):
        has, lacks = (x, y) if x in there else (y, x)
        raise InputError(f"{name}: has {has} but no {lacks}", hint=hint)
    return x in there
