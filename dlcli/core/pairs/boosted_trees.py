"""Gradient-boosted trees as plain arrays: fitted by scikit-learn, stored without pickle, evaluated by numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NODE_ARRAYS = ("feature", "threshold", "left", "right", "value")
_BLOCK = 1 << 13


@dataclass(frozen=True)
class BoostedTrees:
    """The nodes of all trees in one array per property, one tree after the other.

    An example goes to the left child where its float32 feature is at most the threshold. The log-odds are `prior_log_odds`
    plus the values of the leaves it reaches (Friedman 2001).

    Attributes:
        prior_log_odds: Log-odds of the positive class in the training examples, where boosting starts.
        roots: Index of the root of each tree, (trees,).
        feature: Column that a node compares, (nodes,).
        threshold: What it compares the column with, (nodes,).
        left: Index of the left child, (nodes,); a leaf is its own left and right child.
        right: Index of the right child, (nodes,).
        value: Contribution of a leaf times the learning rate, (nodes,).
    """

    prior_log_odds: float
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats

    def log_odds(self, features: NDArray[np.floating]) -> Floats:
        """Log-odds (n,) of features (n, k)."""
        # scikit-learn compares float32 features with float64 thresholds; any other rounding sends some examples elsewhere.
        narrow = np.asarray(features, dtype=np.float32)
        parts = [self._block_log_odds(narrow[start : start + _BLOCK]) for start in range(0, len(narrow), _BLOCK)]
        return np.concatenate([np.empty(0), *parts])

    def _block_log_odds(self, features: NDArray[np.float32]) -> Floats:
        found = np.full(len(features), self.prior_log_odds)
        rows = np.arange(len(features))
        for root in self.roots:
            node = np.full(len(features), root)
            # All examples descend one level at a time. A leaf is its own child, so the loop ends when nothing moves.
            while True:
                down = np.where(features[rows, self.feature[node]] <= self.threshold[node], self.left[node], self.right[node])
                if np.array_equal(down, node):
                    break
                node = down
            found += self.value[node]
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trees as arrays by name, for `load_trees`."""
        nodes = {name: getattr(self, name) for name in _NODE_ARRAYS}
        return {"roots": self.roots, "start": np.array([self.prior_log_odds])} | nodes


def load_trees(arrays: Mapping[str, NDArray[Any]]) -> BoostedTrees:
    """The trees whose `arrays()` these are; raises KeyError if one is missing."""
    return BoostedTrees(float(arrays["start"][0]), arrays["roots"], **{name: arrays[name] for name in _NODE_ARRAYS})


def fit_trees(
    features: Floats, y: NDArray[np.bool_], *, trees: int, depth: int, learning_rate: float, seed: int
) -> BoostedTrees:
    """Stochastic gradient boosting of the logistic loss, each tree on half of the examples (Friedman 2002), by scikit-learn.

    Args:
        features: Features, (n, k).
        y: Labels, (n,).
        trees: Number of trees.
        depth: Maximum depth of a tree.
        learning_rate: Factor on the contribution of each tree.
        seed: Seed for drawing examples and features.

    Returns:
        The fitted trees.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    how: dict[str, Any] = {"subsample": 0.5, "max_features": "sqrt", "min_samples_leaf": 20, "random_state": seed}
    model = GradientBoostingClassifier(n_estimators=trees, max_depth=depth, learning_rate=learning_rate, **how)
    return from_sklearn(model.fit(features, y))


def from_sklearn(fitted: Any) -> BoostedTrees:
    """The trees of a fitted GradientBoostingClassifier of two classes, from its public arrays."""
    parts = [tree.tree_ for tree in fitted.estimators_[:, 0]]
    counts = np.array([part.node_count for part in parts])
    roots = np.concatenate([[0], np.cumsum(counts)[:-1]])
    # scikit-learn numbers the nodes of each tree from 0 and gives leaves the child -1.
    offset = np.repeat(roots, counts)
    own = np.arange(counts.sum())
    left, right = (np.concatenate([getattr(part, f"children_{side}") for part in parts]) for side in ("left", "right"))
    leaf = left < 0
    prior = fitted.init_.class_prior_[1]
    return BoostedTrees(
        prior_log_odds=float(np.log(prior / (1 - prior))),
        roots=roots.astype(np.int64),
        feature=np.where(leaf, 0, np.concatenate([part.feature for part in parts])).astype(np.int64),
        threshold=np.concatenate([part.threshold for part in parts]),
        left=np.where(leaf, own, left + offset).astype(np.int64),
        right=np.where(leaf, own, right + offset).astype(np.int64),
        value=np.concatenate([part.value[:, 0, 0] for part in parts]) * fitted.learning_rate,
    )
