"""From pairs to groups by star clustering (Aslam et al. 2004): every member is a duplicate of the canonical text itself.

Connected components would chain: from A like B and B like C it follows that A and C are in one group, though they may share
nothing. Here a text joins a group only through a pair with its canonical text, which guarantees two things at any threshold:

- every member has a pair at or above the threshold with its canonical text, so a group is as similar as its threshold says;
- no two canonical texts have such a pair, so nothing that should be merged is left apart.

Aslam et al. choose the vertex of highest degree as the next star centre. Here the order is the caller's (`keep_rule`), of which
"central" is theirs; and a text that could join several groups joins the one with the highest score.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.search.neighbours import Pairs


@dataclass(frozen=True)
class Groups:
    """Groups of n texts.

    Attributes:
        canonical: For each text the number of the canonical text of its group, (n,); a canonical text has its own.
        score: The score of that pair, (n,); 1 for a canonical text.
    """

    canonical: NDArray[np.int32]
    score: NDArray[np.float32]


def group_texts(n: int, pairs: Pairs) -> Groups:
    """Group n texts in the order of their numbers.

    Each text joins the canonical text before it with the highest score, the earliest one at equal scores; if it has no pair
    with a canonical text, it becomes canonical. `pairs` are all pairs at or above the threshold.
    """
    canonical, score = np.arange(n, dtype=np.int32), np.ones(n, np.float32)
    # Sorted by the later text and then from the best pair down, the first pair whose other text is canonical decides.
    order = np.lexsort((pairs.first, -pairs.score, pairs.second))
    later, starts = np.unique(pairs.second[order], return_index=True)
    joins = order[_joins(n, pairs.first[order].tolist(), later.tolist(), [*starts.tolist(), len(order)])]
    canonical[pairs.second[joins]], score[pairs.second[joins]] = pairs.first[joins], pairs.score[joins]
    return Groups(canonical, score)


def _joins(n: int, first: list[int], later: list[int], ends: list[int]) -> list[int]:
    """Indices into `first` of the pairs by which texts join a group.

    The pairs of text `later[k]` are those from `ends[k]` to `ends[k + 1]`. Whether a text is canonical is settled before any
    later text is looked at, so one pass in order suffices; it depends on the texts before, so it cannot be vectorised.
    """
    canonical, found = bytearray(b"\1") * n, []
    for text, start, end in zip(later, ends, ends[1:], strict=False):
        place = next((k for k in range(start, end) if canonical[first[k]]), None)
        if place is not None:
            canonical[text] = 0
            found.append(place)
    return found


def group_in_order(order: NDArray[np.integer], pairs: Pairs) -> Groups:
    """Group texts as `group_texts` does, but in the given `order` of their numbers, (n,), instead of 0, 1, 2, ..."""
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    first, second = rank[pairs.first], rank[pairs.second]
    found = group_texts(len(order), Pairs(np.minimum(first, second), np.maximum(first, second), pairs.score))
    return Groups(order[found.canonical[rank]].astype(np.int32), found.score[rank])
