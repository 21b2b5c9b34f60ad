"""Features of the order of the words of two texts, and of their ends."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.ragged import Ragged
from dlcli.core.text.scoring.arrays import Floats, Rows, ratio

_EXCHANGED = 3
"""Most words of a part that changes places with another."""
_SHORTEST = 3
"""Fewest words of a part whose ends change places: one word for each end and one between."""
ORDERED = 48
"""Only the first 48 words are compared for order: they fit in the bits of one 64-bit integer, see `_order`."""


def exchanged(words: Ragged, first: Rows, second: Rows, moved: NDArray[np.bool_], neutral: frozenset[int]) -> NDArray[np.bool_]:
    """Whether the shared words of a pair are P X M Y S in one text and P Y M X S in the other, with M that makes a difference.

    "from a to b" and "from b to a", but not "a and b" and "b and a", nor "Ada Lovelace" and "Lovelace, Ada".

    Args:
        words: The words of each text in order, as numbers.
        first: Number of the first text of each pair, (pairs,).
        second: Number of the second text.
        moved: Which pairs have shared words in another order; only these are looked at, (pairs,).
        neutral: Numbers of conjunctions and articles.

    Returns:
        Whether they have, (pairs,).
    """
    found = np.zeros(len(first), bool)
    repeated = words.repeats[first] | words.repeats[second]
    distinct = np.flatnonzero(moved & ~repeated)
    found[distinct] = _exchanged_distinct(words, first[distinct], second[distinct], neutral)
    others = np.flatnonzero(moved & repeated)
    for row, a, b in _shared_words(words, first[others], second[others]):
        found[others[row]] = _is_exchange(a, b, neutral)
    return found


def _exchanged_distinct(words: Ragged, first: Rows, second: Rows, neutral: frozenset[int]) -> NDArray[np.bool_]:
    """As `exchanged`, for pairs of texts that have no word twice.

    Among the shared words, each word of one text has one place in the other. An exchange moves all words of a part equally far.
    """
    widths = [min(ORDERED, int(words.lengths[rows].max(initial=0))) for rows in (first, second)]
    a, b = words.padded(first, widths[0], -1), words.padded(second, widths[1], -2)
    equal = a[:, :, None] == b[:, None, :]
    shared = equal.any(axis=2)
    if not shared.size:
        return np.zeros(len(first), bool)
    place, in_b = np.cumsum(shared, axis=1) - 1, np.cumsum(equal.any(axis=1), axis=1) - 1
    other = np.take_along_axis(in_b, equal.argmax(axis=2), axis=1)
    shift = np.where(shared, other - place, 0)
    begin, last = (shift != 0).argmax(axis=1), widths[0] - 1 - (shift[:, ::-1] != 0).argmax(axis=1)
    rows = np.arange(len(a))
    start, end = place[rows, begin], place[rows, last] + 1
    x, y = end - other[rows, begin], other[rows, last] - start + 1
    sizes = (x >= 1) & (x <= _EXCHANGED) & (y >= 1) & (y <= _EXCHANGED) & (x + y < end - start)
    start, end, x, y = (column[:, None] for column in (start, end, x, y))
    between = (place >= start + x) & (place < end - y)
    wanted = np.where(place < start + x, end - x - start, np.where(between, y - x, start - end + y))
    wanted[(place < start) | (place >= end)] = 0
    says_something = shared & between & ~np.isin(a, list(neutral))
    return np.asarray(sizes & ((shift == wanted) | ~shared).all(axis=1) & says_something.any(axis=1))


def _shared_words(words: Ragged, first: Rows, second: Rows) -> Iterator[tuple[int, list[int], list[int]]]:
    """The shared words of both texts, in order, and the number of the pair, if both have each of them equally often.

    In no other pair have two parts changed places and nothing else.
    """
    widths = [min(ORDERED, int(words.lengths[rows].max(initial=0))) for rows in (first, second)]
    a, b = words.padded(first, widths[0], -1), words.padded(second, widths[1], -2)
    in_a, in_b = ((a[:, :, None] == other[:, None, :]).sum(axis=2, dtype=np.int8) for other in (a, b))
    rows = np.flatnonzero(((in_b == 0) | (in_b == in_a)).all(axis=1))
    a, b, shared = a[rows], b[rows], in_b[rows] > 0
    ends = np.cumsum(shared.sum(axis=1)).tolist()  # of both, since each has as many shared words as the other
    of_a, of_b = a[shared].tolist(), b[(b[:, :, None] == a[:, None, :]).any(axis=2)].tolist()
    for row, start, end in zip(rows.tolist(), [0, *ends], ends, strict=False):
        yield row, of_a[start:end], of_b[start:end]


def _is_exchange(a: list[int], b: list[int], neutral: frozenset[int]) -> bool:
    """Whether two texts of the same words, each equally often, are P X M Y S and P Y M X S."""
    size = len(a)
    if size < _SHORTEST:
        return False
    same = [x == y for x, y in zip(a, b, strict=True)]
    before, after = [*same, False].index(False), [*same[::-1], False].index(False)
    # Of a word that is repeated, either place may belong to a part, so all ends in common are tried.
    repeated = len(set(a)) < size
    at_end = frozenset(b[max(0, size - after - _EXCHANGED) :])
    return any(
        _changes_ends(a, b, (start, end), x, neutral)
        for start in (range(before + 1) if repeated else (before,))
        if start < size and a[start] in at_end
        for x, end in _ends(b, start, a[start], size - after)
        if repeated or end == size - after
    )


def _ends(b: list[int], start: int, word: int, least: int) -> Iterator[tuple[int, int]]:
    """The lengths of an end of b that begins with a word, and where it stops, at `least` or later.

    There the first end of a part must stand, which begins at `start`.
    """
    for place in range(max(start + 1, least - _EXCHANGED), len(b)):
        if b[place] == word:
            for size in range(max(1, least - place), min(_EXCHANGED, len(b) - place) + 1):
                yield size, place + size


def _changes_ends(a: list[int], b: list[int], part: tuple[int, int], x: int, neutral: frozenset[int]) -> bool:
    """Whether a part of b is that of a with its ends in each other's place and more than neutral words between.

    The end that stands first in a has `x` words.
    """
    start, end = part
    if end - start < _SHORTEST or a[start : start + x] != b[end - x : end]:
        return False
    for y in range(1, _EXCHANGED + 1):
        between = a[start + x : end - y]
        if between and a[end - y : end] == b[start : start + y]:
            if between == b[start + y : end - x] and not neutral.issuperset(between):
                return True
    return False


def equal_end(in_order: Ragged, first: Rows, second: Rows, *, last: bool) -> NDArray[np.bool_]:
    """Whether the first words of a pair, or with `last` the last ones, are equal.

    Args:
        in_order: The words of each text in order, as numbers.
        first: Number of the first text of each pair, (pairs,).
        second: Number of the second text.
        last: Compare the last words.

    Returns:
        Whether they are, (pairs,).
    """
    a, b = in_order.end_of(first, last=last), in_order.end_of(second, last=last)
    return np.asarray((a == b) & (a >= 0))


def length_ratio(lengths: NDArray[np.int64], first: Rows, second: Rows) -> Floats:
    """The number of words of the shorter text over that of the longer.

    Args:
        lengths: Number of words of each text, (texts,).
        first: Number of the first text of each pair, (pairs,).
        second: Number of the second text.

    Returns:
        The ratios, (pairs,), 0 for a text without words.
    """
    a, b = lengths[first], lengths[second]
    return ratio(np.minimum(a, b).astype(np.float64), np.maximum(a, b).astype(np.float64))


def word_order(in_order: Ragged, first: Rows, second: Rows) -> tuple[Floats, Floats]:
    """Measure how much two texts have in common in order, and in any order.

    The table of Wagner and Fischer (1974) has one row per word of `b`. Along a row the length grows by 0 or 1 per word of `a`,
    so a row is one bit per word, here 0 where it grows (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"). The carry
    of one integer addition moves each growth as far as the dynamic programme would, and numpy does it for all pairs at once.
    In any order, each word of `b` takes the first equal word of `a` that is not yet taken.

    Args:
        in_order: The words of each text in order, as numbers.
        first: Number of the first text of each pair, (pairs,).
        second: Number of the second text.

    Returns:
        2 L / (words of both), with L the longest common subsequence of the first 48 words; and the same in any order, (pairs,).
    """
    of_a, of_b = (np.minimum(in_order.lengths[rows], ORDERED) for rows in (first, second))
    a, b = in_order.padded(first, int(of_a.max(initial=0)), -1), in_order.padded(second, int(of_b.max(initial=0)), -2)
    grows, free = np.full(len(first), -1, np.int64), np.full(len(first), -1, np.int64)
    for word in b.T:
        met = _bits(a == word[:, None])
        grows = (grows + (grows & met)) | (grows & ~met)
        free &= ~(met & free & -(met & free))
    words = (of_a + of_b).astype(np.float64)
    return ratio(2.0 * np.bitwise_count(~grows), words), ratio(2.0 * np.bitwise_count(~free), words)


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pack each row of up to 64 flags into an integer, the first flag into its lowest bit."""
    found = np.zeros((len(flags), 8), np.uint8)
    packed = np.packbits(flags, axis=1, bitorder="little")
    found[:, : packed.shape[1]] = packed
    return found.view("<i8").ravel()
