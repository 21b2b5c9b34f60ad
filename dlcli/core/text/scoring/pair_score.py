"""The built-in score: the probability that two texts ask or say the same, from lexical features, without any training.

Logistic regression (Cox 1958) on the features of `dlcli.core.text.scoring.features`, their squares and their products, with
log-odds calibrated on other pairs (Platt 1999). `pair_score.json` holds the fitted numbers and their provenance;
`examples/fit_pair_score.py` fits them again. It contains no text of the training data: words are identified by CRC-32.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from dlcli.core.text.ragged import compact_ids
from dlcli.core.text.scoring.features import (
    FEATURES,
    NAMES,
    Floats,
    Rarity,
    Rows,
    TokenizedTexts,
    pair_features,
    tokenize_texts,
)
from dlcli.core.text.scoring.operating_point import ThresholdCounts
from dlcli.core.text.tokens import fold_all

FILE = "pair_score.json"
_BLOCK = 1 << 8
"""Pairs per matrix product: few enough for BLAS to use one thread; more threads would busy-wait for 0.1 s afterwards."""
_SCORED = 1 << 17
"""Pairs whose features are in memory at a time, 12 MB."""
_WORD_ORDER = NAMES.index("word_order")


@dataclass(frozen=True)
class PairScore:
    """The fitted model on k features: log-odds = intercept + z linear + z products z, with z the scaled features.

    Attributes:
        low: Smallest value of each feature in training, (k); smaller values are clipped.
        high: Largest value of each feature in training, (k).
        mean: Subtracted from each feature, (k).
        scale: Divides each feature afterwards, (k).
        intercept: Constant of the log-odds.
        linear: Weights of the features, (k).
        products: Weights of their squares and products, (k, k).
        rarity: How rare words are in English.
    """

    low: Floats
    high: Floats
    mean: Floats
    scale: Floats
    intercept: float
    linear: Floats
    products: Floats
    rarity: Rarity

    @property
    def uses_device(self) -> bool:
        """False: numpy computes the features."""
        return False

    def scaled(self, features: NDArray[np.floating]) -> Floats:
        """Clip features (pairs, k) to the range seen in training, which bounds the log-odds, and standardise them."""
        return (np.clip(np.asarray(features, dtype=np.float64), self.low, self.high) - self.mean) / self.scale

    def probability(self, features: NDArray[np.floating]) -> Floats:
        """The probability that each pair is a duplicate, (pairs,) in (0, 1), from its features (pairs, k).

        It is calibrated for a duplicate rate of 37%, with near misses as the rest, as in the labelled Quora pairs; among
        candidates with a lower rate it is too high. Raises ValueError if k is wrong.
        """
        if features.ndim != 2 or features.shape[1] != len(FEATURES):
            raise ValueError(f"features of shape {features.shape}, not (pairs, {len(FEATURES)})")
        found = np.empty(len(features))
        for start in range(0, len(features), _BLOCK):
            z = self.scaled(features[start : start + _BLOCK])
            found[start : start + _BLOCK] = self.intercept + z @ self.linear + np.einsum("ij,ij->i", z @ self.products, z)
        return np.asarray(expit(found))

    def score(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """The probability that `texts[first]` and `texts[second]` are duplicates, (pairs,) in [0, 1].

        Texts with the same key are duplicates by definition and get 1; pairs with a text without words get 0.
        """
        read = tokenize_texts(texts, self.rarity)
        some = [slice(start, start + _SCORED) for start in range(0, len(first), _SCORED)]
        return np.concatenate([np.empty(0), *(self._score_block(texts, read, first[block], second[block]) for block in some)])

    def _score_block(self, texts: Sequence[str], read: TokenizedTexts, first: Rows, second: Rows) -> Floats:
        features = pair_features(read, first, second)
        found = self.probability(features)
        # Only texts without words, or with the same words in the same order, can have equal or empty keys; fold only these.
        empty = read.words.lengths == 0
        few = np.flatnonzero(empty[first] | empty[second] | (features[:, _WORD_ORDER] == 1))
        needed, (a, b) = compact_ids(len(texts), first[few], second[few])
        found[few] = with_exact_cases([texts[k] for k in needed], a, b, found[few])
        return found


def with_exact_cases(texts: Sequence[str], first: Rows, second: Rows, found: Floats) -> Floats:
    """Replace the probabilities of pairs that need no model.

    Args:
        texts: The texts.
        first: Number of the first text of each pair, (pairs,).
        second: Number of the second text.
        found: The probabilities of the model, (pairs,).

    Returns:
        The probabilities (pairs,): 1 for two texts with the same key, 0 if a text has no words, else as given.
    """
    key, empty = _keys(texts)
    return np.where(empty[first] | empty[second], 0.0, np.where(key[first] == key[second], 1.0, found))


@cache
def built_in() -> PairScore:
    """The model shipped with dlcli; read once."""
    return from_dict(_shipped())


def built_in_threshold_counts() -> list[ThresholdCounts]:
    """Called and correct pairs at each threshold of the built-in model, on questions not used in fitting or calibration."""
    return [ThresholdCounts(*row) for row in _shipped()["held_out"]["operating"]]


@cache
def _shipped() -> dict[str, Any]:
    card: dict[str, Any] = json.loads((files("dlcli.core.text.scoring") / FILE).read_text(encoding="utf-8"))
    return card


def from_dict(card: dict[str, Any]) -> PairScore:
    """The model from the numbers that `to_dict` returns; raises ValueError if it was fitted on other features."""
    if tuple(card["features"]) != tuple(name for name, _ in FEATURES):
        raise ValueError(f"{FILE} was fitted on other features; fit it again with examples/fit_pair_score.py")
    words, numbers = card["words"], card["model"]
    rarity = Rarity(np.array(words["crc32"], np.int64), np.array(words["rarity"], np.float64), float(words["unseen"]))
    arrays = {name: np.array(numbers[name], np.float64) for name in ("low", "high", "mean", "scale", "linear", "products")}
    return PairScore(intercept=float(numbers["intercept"]), rarity=rarity, **arrays)


def to_dict(model: PairScore, **provenance: Any) -> dict[str, Any]:
    """The model as plain numbers, rounded to 6 digits, with its `provenance`."""
    numbers = {name: _plain(getattr(model, name)) for name in ("low", "high", "mean", "scale", "linear", "products")}
    words = {
        "unseen": _plain(model.rarity.unseen),
        "crc32": model.rarity.hashes.tolist(),
        "rarity": _plain(model.rarity.values),
    }
    return {
        "provenance": provenance,
        "features": [name for name, _ in FEATURES],
        "model": {"intercept": _plain(model.intercept), **numbers},
        "words": words,
    }


def _keys(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each text the number of its key, and whether the key is empty."""
    keys = fold_all(texts)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.int64), np.array([not key for key in keys], bool)


def _plain(values: Any) -> Any:
    if np.ndim(values) == 0:
        return float(f"{float(values):.6g}")
    return [_plain(value) for value in np.asarray(values)]
