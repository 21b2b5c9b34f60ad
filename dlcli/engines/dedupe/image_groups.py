"""Groups of image files that are copies of each other, and how two of them differ."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.copies import Copies
from dlcli.core.image_matching.differences import describe_differences
from dlcli.core.text.clusters import group_in_order
from dlcli.core.text.keep_rule import degrees
from dlcli.core.text.search.neighbours import Pairs
from dlcli.engines.dedupe.image_files import DistinctImages, ImageFiles

Numbers = NDArray[np.int64]


class ImageMatch(NamedTuple):
    """How a file relates to another one: the score, the kind of match (exact, pixels, near) and why."""

    score: float
    match: str
    why: str


@dataclass(frozen=True)
class ImageGroups:
    """The groups of files.

    Attributes:
        distinct: The contents of the files.
        copies: Pairs of contents.
        content: The canonical content of the group of each file, (files,).
        canonical: The canonical file of the group of each file, (files,).
    """

    distinct: DistinctImages
    copies: Copies
    content: Numbers
    canonical: Numbers

    @cached_property
    def sizes(self) -> Numbers:
        """Number of files in the group of each content, 0 for contents that are not canonical, (contents,)."""
        return np.bincount(self.content, minlength=len(self.distinct.file))

    def kind(self, file: int) -> str:
        """The kind of match of a file with its canonical file, "" if it is canonical itself."""
        return "" if self.canonical[file] == file else self._kind(*self._contents(file, int(self.canonical[file])))

    def relate(self, copy: int, original: int) -> ImageMatch:
        """Describe a file as a copy of another one, with which its content has a pair or is equal."""
        own, other = self._contents(copy, original)
        kind = self._kind(own, other)
        if kind == "exact":
            return ImageMatch(1.0, kind, "same bytes")
        if kind == "pixels":
            return ImageMatch(1.0, kind, "same pixels")
        k = self._pair(own, other)
        pair = self.copies.pairs.take(slice(k, k + 1))
        return ImageMatch(
            float(self.copies.score[k]), kind, describe_differences(pair, self.distinct.sizes, from_first=other < own)[0]
        )

    def _contents(self, file: int, other: int) -> tuple[int, int]:
        return int(self.distinct.of_file[file]), int(self.distinct.of_file[other])

    def _kind(self, content: int, other: int) -> str:
        if content == other:
            return "exact"
        return "pixels" if self.copies.equal_pixels[self._pair(content, other)] else "near"

    def _pair(self, content: int, other: int) -> int:
        return self._pairs[min(content, other), max(content, other)]

    @cached_property
    def _pairs(self) -> dict[tuple[int, int], int]:
        pairs = self.copies.pairs
        return {pair: k for k, pair in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))}


def group_images(rule: str, files: ImageFiles, distinct: DistinctImages, copies: Copies) -> ImageGroups:
    """Group the contents by star clustering, and with them the files.

    Args:
        rule: Which image of a group becomes canonical: `central` (the one with most copies), `first` (by path) or `longest`
            (the largest one). Images of the other folder come before all others.
        files: The files.
        distinct: Their contents.
        copies: Pairs of contents.

    Returns:
        The groups.
    """
    number = len(distinct.file)
    ends = copies.pairs.first.astype(np.int32), copies.pairs.second.astype(np.int32)
    pairs = Pairs(*ends, copies.score.astype(np.float32))
    if rule == "first":
        order = np.argsort(distinct.file, kind="stable")
    elif rule == "longest":
        order = np.arange(number)  # the largest image is first
    else:
        order = np.argsort(-degrees(number, pairs), kind="stable")
    earlier = np.zeros(number, bool)
    earlier[distinct.of_file[files.own :]] = True
    # What comes before all its duplicates becomes canonical: here each image of the other folder, whose pairs do not count.
    order = np.concatenate([order[earlier[order]], order[~earlier[order]]])
    kept = ~(earlier[pairs.first] & earlier[pairs.second])
    groups = group_in_order(order, Pairs(pairs.first[kept], pairs.second[kept], pairs.score[kept]))
    content = groups.canonical.astype(np.int64)[distinct.of_file]
    representative = distinct.file.copy()
    for k in range(len(files.names) - 1, files.own - 1, -1):  # of contents in both folders, the file of the other one
        representative[distinct.of_file[k]] = k
    return ImageGroups(distinct, copies, content, representative[content])
