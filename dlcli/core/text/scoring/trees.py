"""Boosted decision trees as plain numbers: evaluated with numpy, saved as JSON, fitted by scikit-learn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 1 << 12
"""Rows evaluated at a time: the comparisons of a block with all splits stay in the cache."""


@dataclass(frozen=True)
class HistogramTrees:
    """A sum of binary trees; `node` k of a tree splits if `left[k]` is 0 or more, else it is a leaf.

    Attributes:
        baseline: Added to the sum.
        starts: The number of the first node of each tree, its root, (trees,).
        feature: The feature that each node compares, (nodes,).
        threshold: A row goes left if its feature is at most this, (nodes,).
        missing_left: Whether a row that lacks the feature goes left, (nodes,).
        left: Number of the left child, -1 for a leaf, (nodes,).
        right: Number of the right child, (nodes,).
        value: The value of a leaf, (nodes,).
    """

    baseline: float
    starts: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats

    def sum(self, features: NDArray[np.float32]) -> Floats:
        """The sum of all trees for each row of features, (rows, k) -> (rows,); NaN is a missing value."""
        found = np.empty(len(features))
        for start in range(0, len(features), _BLOCK):
            found[start : start + _BLOCK] = self._block(np.ascontiguousarray(features[start : start + _BLOCK].T))
        return found

    def _block(self, columns: NDArray[np.float32]) -> Floats:
        missing = np.isnan(columns)
        total = np.full(columns.shape[1], self.baseline)
        for root in self.starts.tolist():
            total += self._tree(root, columns, missing)
        return total

    def _tree(self, node: int, columns: NDArray[np.float32], missing: NDArray[np.bool_]) -> Floats | float:
        """The leaf of each row; a whole tree is evaluated, since choices by mask cost less than following each row."""
        if self.left[node] < 0:
            return float(self.value[node])
        column = self.feature[node]
        goes_left = columns[column] <= self.threshold[node]
        if self.missing_left[node]:
            goes_left |= missing[column]
        left, right = (self._tree(int(child[node]), columns, missing) for child in (self.left, self.right))
        return np.where(goes_left, left, right)


@dataclass(frozen=True)
class CalibratedTrees:
    """The log-odds of a row by trees: slope x their sum + by_size x ln(size) + intercept (Platt 1999).

    Attributes:
        trees: The trees.
        slope: Factor of their sum.
        intercept: Constant.
        by_size: Factor of the logarithm of the size, 0 if that does not count.
        sizes: The smallest and the largest size that make a difference; others are clipped.
    """

    trees: HistogramTrees
    slope: float
    intercept: float
    by_size: float = 0.0
    sizes: tuple[int, int] = (1, 1)

    def log_odds(self, features: NDArray[np.float32], size: int = 1) -> Floats:
        """The log-odds of each row of features, (rows, k) -> (rows,), among as many texts as `size`."""
        return self.slope * self.trees.sum(features) + self.by_size * float(np.log(np.clip(size, *self.sizes))) + self.intercept


def calibrated_to_dict(model: CalibratedTrees) -> dict[str, Any]:
    """The model as lists of numbers, rounded to 6 digits."""
    numbers = {name: float(f"{getattr(model, name):.6g}") for name in ("slope", "intercept", "by_size")}
    return {**numbers, "sizes": list(model.sizes), "trees": trees_to_dict(model.trees)}


def calibrated_from_dict(card: dict[str, Any]) -> CalibratedTrees:
    """The model that `calibrated_to_dict` described."""
    low, high = card["sizes"]
    slope, intercept, by_size = (float(card[name]) for name in ("slope", "intercept", "by_size"))
    return CalibratedTrees(trees_from_dict(card["trees"]), slope, intercept, by_size, (low, high))


def from_scikit_learn(model: Any) -> HistogramTrees:
    """The trees of a fitted binary `HistGradientBoostingClassifier`, whose log-odds they sum up to."""
    trees = [trees[0].nodes for trees in model._predictors]
    nodes = np.concatenate(trees)
    starts = np.cumsum([0, *map(len, trees)])[:-1]
    offset = np.repeat(starts, [*map(len, trees)])
    leaf = nodes["is_leaf"].astype(bool)
    return HistogramTrees(
        baseline=float(np.ravel(model._baseline_prediction)[0]),
        starts=starts,
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float32),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=np.where(leaf, -1, nodes["left"] + offset).astype(np.int64),
        right=np.where(leaf, -1, nodes["right"] + offset).astype(np.int64),
        value=np.where(leaf, nodes["value"], 0.0).astype(np.float64),
    )


def trees_to_dict(trees: HistogramTrees) -> dict[str, Any]:
    """The trees as lists of numbers, rounded to 6 digits."""
    return {
        "baseline": float(f"{trees.baseline:.6g}"),
        "starts": trees.starts.tolist(),
        "feature": trees.feature.tolist(),
        "threshold": [float(f"{value:.6g}") for value in trees.threshold.tolist()],
        "missing_left": trees.missing_left.astype(int).tolist(),
        "left": trees.left.tolist(),
        "right": trees.right.tolist(),
        "value": [float(f"{value:.6g}") for value in trees.value.tolist()],
    }


def trees_from_dict(card: dict[str, Any]) -> HistogramTrees:
    """The trees that `trees_to_dict` described."""
    return HistogramTrees(
        baseline=float(card["baseline"]),
        starts=np.array(card["starts"], np.int64),
        feature=np.array(card["feature"], np.int64),
        threshold=np.array(card["threshold"], np.float32),
        missing_left=np.array(card["missing_left"], bool),
        left=np.array(card["left"], np.int64),
        right=np.array(card["right"], np.int64),
        value=np.array(card["value"], np.float64),
    )
