"""From pairs to groups: stars, in which every member is like the canonical row itself, so that likeness does not chain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.search.neighbours import Pairs


@dataclass(frozen=True)
class Groups:
    """For each of n texts its canonical text `centre[k]` and the `score[k]` between them, (n,).

    A canonical text has itself and 1.
    """

    canonical: NDArray[np.int32]
    score: NDArray[np.float32]


def group_texts(n: int, pairs: Pairs) -> Groups:
    """Group n texts, in their order: each joins the canonical one before it with the highest score, or becomes canonical.

    `pairs` holds all pairs at or above the threshold; at equal scores the earliest canonical text wins (Aslam et al. 2004
    for stars; the order here is given by the numbers of the texts).
    """
    centre, score = np.arange(n, dtype=np.int32), np.ones(n, np.float32)
    order = np.lexsort((pairs.first, -pairs.score, pairs.second))
    later, starts = np.unique(pairs.second[order], return_index=True)
    joins = order[_joins(n, pairs.first[order].tolist(), later.tolist(), [*starts.tolist(), len(order)])]
    centre[pairs.second[joins]], score[pairs.second[joins]] = pairs.first[joins], pairs.score[joins]
    return Groups(centre, score)


def _joins(n: int, first: list[int], later: list[int], ends: list[int]) -> list[int]:
    """The places in `first` of the pairs by which texts join: of those of `later[k]`, the first that is canonical still."""
    canonical, found = [True] * n, []
    for text, start, end in zip(later, ends, ends[1:], strict=False):
        place = next((k for k in range(start, end) if canonical[first[k]]), None)
        if place is not None:
            canonical[text] = False
            found.append(place)
    return found


def group_in_order(order: NDArray[np.integer], pairs: Pairs) -> Groups:
    """`group_texts` of texts that come in `order`, (n,), their numbers, the first to become canonical in front."""
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    first, second = rank[pairs.first], rank[pairs.second]
    found = group_texts(len(order), Pairs(np.minimum(first, second), np.maximum(first, second), pairs.score))
    return Groups(order[found.canonical[rank]].astype(np.int32), found.score[rank])
