"""Groups of image files that are copies of each other, and how two of them differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dlcli.core.image_matching.copies import Copies
from dlcli.core.image_matching.differences import describe_differences, describe_tones
from dlcli.core.image_matching.reading import is_grey
from dlcli.core.text.clusters import group_in_order
from dlcli.core.text.keep_rule import degrees
from dlcli.core.text.search.neighbours import Pairs
from dlcli.engines.dedupe.image_files import DistinctImages, ImageFiles

Numbers = NDArray[np.int64]

_SAME_VIEW = 0.98
"""The fraction of both images that their pair shows from which on they show the same."""


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
        duplicate_of: The file that each file is a copy of, (files,): the canonical one, or of several files with equal bytes
            the one that stands for them. A canonical file is its own.
        files: The files.
    """

    distinct: DistinctImages
    copies: Copies
    content: Numbers
    canonical: Numbers
    duplicate_of: Numbers
    files: ImageFiles

    @cached_property
    def sizes(self) -> Numbers:
        """Number of files in the group of each content, 0 for contents that are not canonical, (contents,)."""
        return np.bincount(self.content, minlength=len(self.distinct.file))

    def kind(self, file: int) -> str:
        """The kind of match of a file with the one that it is a copy of, "" if it is canonical itself."""
        return "" if self.canonical[file] == file else self._kind(*self._contents(file, int(self.duplicate_of[file])))

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
        phrase = describe_differences(pair, self.distinct.sizes, from_first=other < own)[0]
        images, greys = self.files.images, (self._greys[own], self._greys[other])
        why = describe_tones(phrase, images[copy].grey, images[original].grey, greys=greys)
        return ImageMatch(float(self.copies.score[k]), kind, why)

    @cached_property
    def _greys(self) -> "_Greys":
        return _Greys([self.files.paths[k] for k in self.distinct.file])

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


class _Greys(dict[int, bool]):
    """Whether each content has no colours, found when it is first asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = paths

    def __missing__(self, content: int) -> bool:
        self[content] = is_grey(self._paths[content])
        return self[content]


def group_images(rule: str, files: ImageFiles, distinct: DistinctImages, copies: Copies) -> ImageGroups:
    """Group the contents by star clustering, and with them the files.

    Args:
        rule: Which image of a group becomes canonical: `central` (of those that all others are copies of the one most like an
            original, see `original_order`), `first` (by path) or `longest` (the largest one, then the one most like an
            original). Images of the other folder come before all others.
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
        order = original_order(files, distinct, copies)
    else:
        order = np.argsort(-degrees(number, pairs), kind="stable")
    earlier = np.zeros(number, bool)
    earlier[distinct.of_file[files.own :]] = True
    # What comes before all its duplicates becomes canonical: here each image of the other folder, whose pairs do not count.
    order = np.concatenate([order[earlier[order]], order[~earlier[order]]])
    kept = ~(earlier[pairs.first] & earlier[pairs.second])
    groups = group_in_order(order, Pairs(pairs.first[kept], pairs.second[kept], pairs.score[kept]))
    canonical = groups.canonical.astype(np.int64)
    if rule == "central":
        canonical = _most_original(canonical, copies, original_order(files, distinct, copies), earlier)
    content = canonical[distinct.of_file]
    representative = distinct.file.copy() if rule == "first" else _oldest_files(files, distinct)
    for k in range(len(files.names) - 1, files.own - 1, -1):  # of contents in both folders, the file of the other one
        representative[distinct.of_file[k]] = k
    canonical_file, own = representative[content], representative[distinct.of_file]
    duplicate_of = np.where(own == np.arange(len(own)), canonical_file, own)
    return ImageGroups(distinct, copies, content, canonical_file, duplicate_of, files)


def original_order(files: ImageFiles, distinct: DistinctImages, copies: Copies) -> Numbers:
    """The contents, those first that are most likely originals.

    That is the one with most pixels, then the one compressed with less loss, the one with more files of equal bytes, the older
    one. Among images with equal pixels one with loss is the original, since the others can only have been decoded from it.
    """
    ends = copies.pairs.first[copies.equal_pixels], copies.pairs.second[copies.equal_pixels]
    number = len(distinct.file)
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(number, number))
    same = connected_components(graph, directed=False)[1]
    coarseness = np.array([files.images[k].coarseness for k in distinct.file])
    of_pixels = np.zeros(number)
    np.maximum.at(of_pixels, same, coarseness)
    modified = np.full(number, np.iinfo(np.int64).max)
    np.minimum.at(modified, distinct.of_file, np.array([image.modified for image in files.images], np.int64))
    copied = np.bincount(distinct.of_file, minlength=number)
    pixels = distinct.sizes.prod(axis=1)
    # Contents are numbered without their names, so that these decide nothing.
    return np.lexsort((np.arange(number), modified, -copied, coarseness == 0, of_pixels[same], -pixels))


def _most_original(canonical: Numbers, copies: Copies, order: Numbers, earlier: NDArray[np.bool_]) -> Numbers:
    """The canonical content of each, chosen again in each group among those that are in a pair with all others of it.

    It is the one that shows exactly what most others show, neither more (a border) nor less (a crop) nor flipped, and then the
    first in `order`.
    """
    pairs, number = copies.pairs, len(canonical)
    within = canonical[pairs.first] == canonical[pairs.second]
    same = within & ~pairs.mirror & (np.minimum(pairs.first_shown, pairs.second_shown) >= _SAME_VIEW)
    partners, alike = (
        np.bincount(np.concatenate([pairs.first[kept], pairs.second[kept]]), minlength=number) for kept in (within, same)
    )
    able = (partners == np.bincount(canonical, minlength=number)[canonical] - 1) & ~earlier[canonical]
    chosen, place = np.arange(number), np.argsort(order)
    for content in np.lexsort((place, -alike))[::-1].tolist():
        if able[content]:
            chosen[canonical[content]] = content
    return chosen[canonical]


def _oldest_files(files: ImageFiles, distinct: DistinctImages) -> Numbers:
    """Of the files with equal bytes the oldest one, then the one with the shortest name."""
    keys = [(image.modified, len(name), name) for image, name in zip(files.images, files.names, strict=True)]
    found = distinct.file.copy()
    for k in range(files.own):
        content = distinct.of_file[k]
        if keys[k] < keys[found[content]]:
            found[content] = k
    return found
