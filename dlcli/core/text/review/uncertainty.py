"""Uncertainty sampling: the pairs whose label tells most, those with a probability nearest the threshold."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

Numbers = NDArray[np.integer]


def most_uncertain(probability: NDArray[np.floating], threshold: float, count: int) -> NDArray[np.intp]:
    """Indices of the `count` probabilities nearest `threshold`, nearest first, ties in order.

    Lewis and Gale, A sequential algorithm for training text classifiers (1994).
    """
    return np.argsort(np.abs(probability.astype(np.float64) - threshold), kind="stable")[:count]


def most_uncertain_components(
    n: int, first: Numbers, second: Numbers, probability: NDArray[np.floating], threshold: float, most: int
) -> NDArray[np.intp]:
    """Choose at most `most` pairs such that the groups of the chosen ones do not depend on the others.

    Whole connected components of the graph of pairs are chosen, those with the least certain pair first. One is chosen even if
    it alone has more than `most` pairs.

    Args:
        n: Number of texts.
        first: One text of each pair, (pairs,).
        second: The other text, (pairs,).
        probability: Probability of each pair, (pairs,).
        threshold: The probability from which pairs are duplicates.
        most: How many pairs to choose.

    Returns:
        Indices of the chosen pairs, ascending.
    """
    if len(first) <= most:
        return np.arange(len(first))
    from scipy.sparse.csgraph import connected_components  # here, since it imports all of scipy.linalg

    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(n, n))
    part = connected_components(graph, directed=False)[1][first]
    order = most_uncertain(probability, threshold, len(probability))
    parts, nearest, size = np.unique(part[order], return_index=True, return_counts=True)
    ranked = np.argsort(nearest)
    kept = ranked[: max(1, int(np.searchsorted(np.cumsum(size[ranked]), most, side="right")))]
    return np.flatnonzero(np.isin(part, parts[kept]))
