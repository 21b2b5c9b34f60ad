"""Boosted trees as plain arrays: what scikit-learn fitted, kept without pickle and evaluated by numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NAMES = ("feature", "threshold", "left", "right", "value")
_BLOCK = 1 << 13


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees, one after the other, `roots` (trees,) their first ones; a leaf is its own left and right.

    An example goes left where its float32 feature is at most the threshold. `start` and the values of the leaves, times the
    learning rate, add up to log-odds (Friedman 2001).
    """

    start: float
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats

    def odds(self, features: NDArray[np.floating]) -> Floats:
        """Log-odds (n,) of features (n, k)."""
        narrow = np.asarray(features, dtype=np.float32)
        parts = [self._odds(narrow[start : start + _BLOCK]) for start in range(0, len(narrow), _BLOCK)]
        return np.concatenate([np.empty(0), *parts])

    def _odds(self, features: NDArray[np.float32]) -> Floats:
        found = np.full(len(features), self.start)
        rows = np.arange(len(features))
        for root in self.roots:
            node = np.full(len(features), root)
            while True:
                down = np.where(features[rows, self.feature[node]] <= self.threshold[node], self.left[node], self.right[node])
                if np.array_equal(down, node):
                    break
                node = down
            found += self.value[node]
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it by name."""
        return {"roots": self.roots, "start": np.array([self.start])} | {name: getattr(self, name) for name in _NAMES}


def read_trees(arrays: Mapping[str, NDArray[Any]]) -> Trees:
    """The trees whose `arrays()` these are; raises KeyError if one is missing."""
    return Trees(float(arrays["start"][0]), arrays["roots"], **{name: arrays[name] for name in _NAMES})


def fit_trees(features: Floats, y: NDArray[np.bool_], *, trees: int, depth: int, rate: float, seed: int) -> Trees:
    """Gradient boosting of the logistic loss on halves of the examples (Friedman 2002), by scikit-learn."""
    from sklearn.ensemble import GradientBoostingClassifier

    how: dict[str, Any] = {"subsample": 0.5, "max_features": "sqrt", "min_samples_leaf": 20, "random_state": seed}
    fitted = GradientBoostingClassifier(n_estimators=trees, max_depth=depth, learning_rate=rate, **how).fit(features, y)
    return from_sklearn(fitted)


def from_sklearn(fitted: Any) -> Trees:
    """The trees of a fitted GradientBoostingClassifier of two classes, from its public arrays."""
    parts = [tree.tree_ for tree in fitted.estimators_[:, 0]]
    counts = np.array([part.node_count for part in parts])
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]])
    offset = np.repeat(roots, counts)
    own = np.arange(counts.sum())
    left, right = (np.concatenate([getattr(part, f"children_{side}") for part in parts]) for side in ("left", "right"))
    leaf = left < 0
    share = fitted.init_.class_prior_[1]
    return Trees(
        start=float(np.log(share / (1 - share))),
        roots=roots.astype(np.int64),
        feature=np.where(leaf, 0, np.concatenate([part.feature for part in parts])).astype(np.int64),
        threshold=np.concatenate([part.threshold for part in parts]),
        left=np.where(leaf, own, left + offset).astype(np.int64),
        right=np.where(leaf, own, right + offset).astype(np.int64),
        value=np.concatenate([part.value[:, 0, 0] for part in parts]) * fitted.learning_rate,
    )
