"""Pairs of images with the place of the second one on the first one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.resampling import Floats

Numbers = NDArray[np.int64]


class Span(NamedTuple):
    """Parts of the width (or height) of images, from `low` to `high`, which are fractions, (pairs,)."""

    low: Floats
    high: Floats

    @property
    def length(self) -> Floats:
        """Length of the parts."""
        return self.high - self.low


@dataclass(frozen=True)
class Alignments:
    """Pairs of images, and where the second one lies on the first one.

    A point at the fraction u of the width of image `first` is at `scale_x * u + shift_x` of the width of image `second`, which
    is mirrored before if `mirror`; heights alike. All arrays are (pairs,), and `first` is less than `second`.
    """

    first: Numbers
    second: Numbers
    mirror: NDArray[np.bool_]
    scale_x: Floats
    shift_x: Floats
    scale_y: Floats
    shift_y: Floats

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.first)

    def take(self, which: NDArray[Any] | slice) -> "Alignments":
        """Select pairs by indices, a mask or a slice."""
        return Alignments(*(values[which] for values in vars(self).values()))

    @property
    def across(self) -> Span:
        """The part of the width of the first image that the second one shows."""
        return _visible(self.scale_x, self.shift_x)

    @property
    def along(self) -> Span:
        """The part of the height of the first image that the second one shows."""
        return _visible(self.scale_y, self.shift_y)

    @property
    def first_shown(self) -> Floats:
        """The part of the area of the first image that the second one shows."""
        return self.across.length * self.along.length

    @property
    def second_shown(self) -> Floats:
        """The part of the area of the second image that the first one shows."""
        return self.first_shown * self.scale_x * self.scale_y


def join_alignments(parts: Sequence[Alignments]) -> Alignments:
    """The pairs of several parts, in this order."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Alignments(*(np.concatenate(column) for column in columns))


def no_alignments() -> Alignments:
    """Alignments of no pair."""
    none, figures = np.empty(0, np.int64), np.empty(0, np.float32)
    return Alignments(none, none, np.empty(0, bool), figures, figures, figures, figures)


def _visible(scale: Floats, shift: Floats) -> Span:
    return Span(np.clip(-shift / scale, 0, 1), np.clip((1 - shift) / scale, 0, 1))
