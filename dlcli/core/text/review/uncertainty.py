"""Which pairs are worth a person's time: those whose probability lies nearest the threshold (uncertainty sampling)."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Numbers = NDArray[np.integer]


def most_uncertain(probability: NDArray[np.floating], threshold: float, count: int) -> NDArray[np.intp]:
    """The places of the `count` probabilities nearest `threshold`, nearest first; of equally near ones the earlier first.

    Lewis and Gale, A sequential algorithm for training text classifiers (1994).
    """
    return np.argsort(np.abs(probability.astype(np.float64) - threshold), kind="stable")[:count]


def most_uncertain_components(
    n: int, first: Numbers, second: Numbers, probability: NDArray[np.floating], threshold: float, most: int
) -> NDArray[np.intp]:
    """The places of at most `most` pairs, in their order, such that what is left out changes no group of what is kept.

    Texts 0..n-1 that pairs join, directly or by others, are kept or left out together; those with the most doubtful pair
    come first. One part is kept even if it alone has more than `most` pairs.
    """
    if len(first) <= most:
        return np.arange(len(first))
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(n, n))
    part = connected_components(graph, directed=False)[1][first]
    order = most_uncertain(probability, threshold, len(probability))
    parts, nearest, size = np.unique(part[order], return_index=True, return_counts=True)
    ranked = np.argsort(nearest)
    kept = ranked[: max(1, int(np.searchsorted(np.cumsum(size[ranked]), most, side="right")))]
    return np.flatnonzero(np.isin(part, parts[kept]))
