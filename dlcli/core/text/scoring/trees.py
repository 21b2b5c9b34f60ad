"""Boosted decision trees as plain numbers: evaluated with numpy, saved as JSON, fitted by scikit-learn."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 1 << 14
"""Rows evaluated at a time: their features and sums stay in the cache."""
_SPLITS = 8
"""Splits of a tree that are evaluated by one table: their outcomes are the bits of a byte."""


@dataclass(frozen=True)
class _Lookup:
    """A tree of few splits: its leaf, by the outcomes of all splits as bits, the first split in the lowest bit.

    Attributes:
        splits: Feature, threshold, and whether a missing value goes left, of each split.
        values: The value of the leaf, (2 ** splits,).
    """

    splits: tuple[tuple[int, np.float32, bool], ...]
    values: Floats


@dataclass(frozen=True)
class _Branch:
    """A tree of more splits: the first split, and what follows on both sides."""

    split: tuple[int, np.float32, bool]
    left: "_Lookup | _Branch"
    right: "_Lookup | _Branch"


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
        # A comparison with NaN is false, which is to the right; what is missing and goes left is below every threshold.
        sides = (columns, np.where(np.isnan(columns), np.float32(-np.inf), columns))
        total = np.full(columns.shape[1], self.baseline)
        for tree in self._compiled:
            total += _leaves(tree, sides)
        return total

    @cached_property
    def _compiled(self) -> "list[_Lookup | _Branch]":
        return [self._compile(root) for root in self.starts.tolist()]

    def _compile(self, node: int) -> "_Lookup | _Branch":
        """A tree in the form in which it is evaluated: every split is, since that costs less than to follow each row."""
        splits = self._splits(node)
        if len(splits) > _SPLITS:
            return _Branch(self._split(node), self._compile(int(self.left[node])), self._compile(int(self.right[node])))
        outcomes = np.arange(1 << len(splits))
        went_left = {split: (outcomes >> bit & 1).astype(bool) for bit, split in enumerate(splits)}
        values = np.broadcast_to(self._leaf(node, went_left), outcomes.shape).copy()
        return _Lookup(tuple(map(self._split, splits)), values)

    def _splits(self, node: int) -> list[int]:
        """The nodes that split, from one node down."""
        if self.left[node] < 0:
            return []
        return [node, *self._splits(int(self.left[node])), *self._splits(int(self.right[node]))]

    def _split(self, node: int) -> tuple[int, np.float32, bool]:
        return int(self.feature[node]), self.threshold[node], bool(self.missing_left[node])

    def _leaf(self, node: int, went_left: dict[int, NDArray[np.bool_]]) -> Floats | float:
        """The value of the leaf that is reached from a node, by the outcome of each split."""
        if self.left[node] < 0:
            return float(self.value[node])
        left, right = (self._leaf(int(child[node]), went_left) for child in (self.left, self.right))
        return np.where(went_left[node], left, right)


def _leaves(tree: _Lookup | _Branch, sides: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Floats:
    """The value of the leaf of each row: `sides` are the features as they are, and with -inf where one is missing."""
    if isinstance(tree, _Branch):
        feature, threshold, missing_left = tree.split
        left, right = (_leaves(child, sides) for child in (tree.left, tree.right))
        return np.where(sides[missing_left][feature] <= threshold, left, right)
    outcomes = np.zeros(sides[0].shape[1], np.uint8)
    goes_left = np.empty(outcomes.shape, bool)
    for feature, threshold, missing_left in reversed(tree.splits):
        np.add(outcomes, outcomes, out=outcomes)
        np.less_equal(sides[missing_left][feature], threshold, out=goes_left)
        np.bitwise_or(outcomes, goes_left.view(np.uint8), out=outcomes)
    return tree.values.take(outcomes)


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
