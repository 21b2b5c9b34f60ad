"""Accuracy by what is known of the images: which camera, which hospital, which hour, and whether the difference is one.

Each slice is held against the rest of the images: Newcombe's interval of the difference, and Fisher's exact test (1922), whose
p-values are corrected for how many slices are looked at by Holm's step-down method (1979, Scand. J. Stat. 6(2), 65-70). Where
images come in groups, such as frames of films, Fisher's test would take each for independent: groups are permuted instead.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import isfinite, isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.groups import MORE_COLUMNS, NONE, value_text
from dlcli.core.grouped import group_sums, share_of
from dlcli.core.stats import independent_difference
from dlcli.specs.estimates import Estimate
from dlcli.specs.eval import SliceRow
from dlcli.support.blanks import is_blank
from dlcli.support.errors import InputError
from dlcli.support.seeds import derive

if TYPE_CHECKING:  # which imports torch
    from dlcli.core.data.base import Array, Metadata

CLASS = "class"
"""The column that is always there, unless a fact of that name takes its place."""

OTHER = "(other)"
"""What images are called whose value is not among the largest."""

MOST_VALUES = 20
_DIGITS = 4
"""Significant digits of the bounds of quarters, unless more are needed to tell them apart."""
_LEVEL = 0.05
_PERMUTATIONS = 4_999
_AT_ONCE = 1 << 21
"""Shares of permuted groups in memory at a time."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ExampleSlice:
    """The images whose fact `column` has a value: `inside` (n,) bool."""

    column: str
    name: str
    inside: NDArray[np.bool_]


def find_column(name: str, metadata: "Metadata", *, data: str, option: str = "slices") -> "Array":
    """Find a column of metadata.

    Args:
        name: Its name.
        metadata: The columns.
        data: What they belong to, for the message.
        option: Which option names the column.

    Returns:
        Its values, (n,).

    Raises:
        InputError: There is none of that name, with those that there are.
    """
    if name in metadata:
        return metadata[name]
    known = ", ".join([*metadata, *([CLASS] if option == "slices" and CLASS not in metadata else [])])
    hint = f"there are: {known or 'none'}; {MORE_COLUMNS}"
    raise InputError(f"`{option}`: {data} has no column '{name}'", hint=hint)


def cut(column: str, values: "Array") -> tuple[ExampleSlice, ...]:
    """A slice for each value of `values` (n,); together they hold every image once.

    Of more than MOST_VALUES values the largest are slices and OTHER the rest or, if all are numbers, there is one for each
    quarter of the images in their order (fewer, if equal values meet a border). Images without a value are NONE and, in
    such a column of numbers, also those with a word for that, as n/a; infinite ones stand at the ends.
    """
    texts = [value_text(value) for value in values]
    counts = Counter(texts)
    if missing := _missing(counts):
        texts = [NONE if text in missing else text for text in texts]
        counts = Counter(texts)
    without = counts.pop(NONE, 0)
    codes = {name: k for k, name in enumerate(counts)}
    code = np.array([codes.get(text, -1) for text in texts])
    numbers = {name: _number(name) for name in counts}
    numeric = all(number is not None for number in numbers.values())
    if len(counts) <= MOST_VALUES:
        order = sorted(counts, key=lambda name: (numbers[name] or 0.0, name)) if numeric else sorted(counts)
        found = {name: code == codes[name] for name in order}
    elif numeric:
        found = _quarters(list(counts), np.array(list(numbers.values()), dtype=np.float64), code)
    else:
        largest = [name for name, _ in counts.most_common() if name != OTHER][:MOST_VALUES]
        masks = {name: code == codes[name] for name in largest}
        found = {**masks, OTHER: (code >= 0) & ~np.logical_or.reduce(list(masks.values()))}
    found = {**found, NONE: code < 0} if without else found
    return tuple(ExampleSlice(column, name, inside) for name, inside in found.items())


def compare_slices(
    slices: Sequence[ExampleSlice], correct: NDArray[np.bool_], group: NDArray[np.int64] | None = None, *, seed: int = 0
) -> tuple[SliceRow, ...]:
    """The accuracy of each slice, and what it is more or less than that of all other images.

    `p` is Fisher's, or that of permuted groups, by Holm for all of `slices`. A slice is `worse` or `better` if p is at most
    0.05 and its interval excludes zero. One that holds all images has no rest.

    Args:
        slices: The slices.
        correct: Which images are right, (n,).
        group: The group of each image, (n,) from 0 on, if images come in groups: intervals are by group, too.
        seed: Of the permutations.

    Returns:
        A row for each slice.
    """
    parts = Counter(one.column for one in slices)
    # The two halves of a column ask one question.
    tests = [(one.column, one.name if parts[one.column] > 2 else "") for one in slices]
    test_of = _fisher if group is None else partial(_permuted, group=group, seed=seed)
    found = {test: test_of(one.inside, correct) for test, one in zip(tests, slices, strict=True) if not one.inside.all()}
    adjusted = dict(zip(found, holm(list(found.values())), strict=True))
    return tuple(_row(one, correct, group, adjusted.get(test)) for test, one in zip(tests, slices, strict=True))


def worst(rows: Sequence[SliceRow]) -> SliceRow:
    """The slice whose interval has the lowest upper end, so that a few images cannot make a slice the worst.

    OTHER, which collects different values, is not considered.
    """
    return min((row for row in rows if row.name != OTHER), key=lambda row: (row.accuracy.high, row.accuracy.value))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """`p_values` adjusted so that to reject any true hypothesis among them is as rare as the level at which they are read."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(np.minimum(1.0, (len(p) - np.arange(len(p))) * p[order]))
    return tuple(steps[np.argsort(order, kind="stable")].tolist())


def _missing(counts: Mapping[str, int]) -> set[str]:
    """The words for a missing value in a column of otherwise more than MOST_VALUES numbers; elsewhere they are values."""
    blank = {text for text in counts if text != NONE and is_blank(text)}
    others = counts.keys() - blank - {NONE}
    return blank if len(others) > MOST_VALUES and all(_number(text) is not None for text in others) else set()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if isnan(number) else number


def _quarters(texts: Sequence[str], numbers: NDArray[np.float64], code: NDArray[np.intp]) -> dict[str, NDArray[np.bool_]]:
    """By the quartiles, each named by the least and the greatest value in it; image i has `texts[code[i]]`, below 0 none."""
    rank = np.unique(numbers, return_inverse=True)[1]  # in place of the numbers, which may be infinite
    quarter = np.searchsorted(np.quantile(rank[code[code >= 0]], (0.25, 0.5, 0.75)), rank)
    found = {}
    for k in np.unique(quarter):
        inside = np.flatnonzero(quarter == k)
        ends = tuple(texts[inside[pick(numbers[inside])]] for pick in (np.argmin, np.argmax))
        found[ends] = (code >= 0) & (quarter[code] == k)
    short = _shortened({text for ends in found for text in ends})
    return {" to ".join(short[text] for text in dict.fromkeys(ends)): inside for ends, inside in found.items()}


def _shortened(texts: Collection[str]) -> dict[str, str]:
    """Numbers as text with _DIGITS significant digits, or with as many as keep them apart and in their order."""
    order = sorted(texts, key=float)
    for digits in range(_DIGITS, 17):
        short = [_rounded(text, digits) for text in order]
        if all(float(a) < float(b) for a, b in pairwise(short)):
            return dict(zip(order, short, strict=True))
    return {text: text for text in texts}


def _rounded(text: str, digits: int) -> str:
    """A fraction with `digits` significant digits, and all before the point, if that is shorter; other numbers as they are."""
    number = float(text)
    if not isfinite(number) or number.is_integer():
        return text
    short = f"{number:.{max(digits, len(str(int(abs(number)))))}g}"
    return short if len(short) < len(text) else text


def _fisher(inside: NDArray[np.bool_], correct: NDArray[np.bool_]) -> float:
    from scipy.stats import fisher_exact  # slow to import, and seldom needed

    table = [[int((inside == a) @ (correct == b).astype(int)) for b in (True, False)] for a in (True, False)]
    return float(fisher_exact(table).pvalue)


def _permuted(inside: NDArray[np.bool_], correct: NDArray[np.bool_], *, group: NDArray[np.int64], seed: int) -> float:
    """The two-sided p-value of the sum over groups of the share inside times what the group is right more often than all.

    If the slice had nothing to do with the accuracy, any group could have the share of any other.
    """
    sizes = group_sums(np.ones(len(correct)), group)
    share, excess = group_sums(inside, group) / sizes, group_sums(correct - correct.mean(), group)
    random, found = np.random.default_rng(derive(seed, "permutations")), abs(share @ excess)
    as_far, block = 0, max(1, _AT_ONCE // len(share))
    for start in range(0, _PERMUTATIONS, block):
        shuffled = random.permuted(np.tile(share, (min(block, _PERMUTATIONS - start), 1)), axis=1)
        # Sums that are equal but for rounding are as far.
        as_far += int((np.abs(shuffled @ excess) >= found - _ROUNDING).sum())
    return (1 + as_far) / (1 + _PERMUTATIONS)


def _row(one: ExampleSlice, correct: NDArray[np.bool_], group: NDArray[np.int64] | None, p: float | None) -> SliceRow:
    accuracy = _accuracy(one.inside, correct, group)
    if p is None:
        return SliceRow(column=one.column, name=one.name, accuracy=accuracy, minus_rest=None, p=None, status="no others")
    gap = independent_difference(accuracy, _accuracy(~one.inside, correct, group))
    clear = p <= _LEVEL and gap.established
    status = ("worse" if gap.value < 0 else "better") if clear else "not established"
    return SliceRow(column=one.column, name=one.name, accuracy=accuracy, minus_rest=gap, p=p, status=status)


def _accuracy(inside: NDArray[np.bool_], correct: NDArray[np.bool_], group: NDArray[np.int64] | None) -> Estimate:
    return share_of(correct[inside], None if group is None else group[inside])
