"""How likely two texts ask or say the same: a probability from lexical features, ready without any training by the user.

Logistic regression (Cox 1958) on the features of `dlcli.core.text.scoring.features`, their squares and their products, with
log-odds calibrated on other pairs (Platt 1999). `pair_score.json` holds its numbers and says where they come from;
`examples/fit_pair_score.py` makes that file anew. No text of the data is in it: words are known by their CRC-32.
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
"""Pairs that are judged at once: few enough for BLAS to keep to one thread; others would spin on for a tenth of a second."""
_SCORED = 1 << 17
"""Pairs whose features are there at once, 12 MB."""
"""Pairs that are scored at once, so that what they take stays close at hand."""
_WORD_ORDER = NAMES.index("word_order")


@dataclass(frozen=True)
class PairScore:
    """The fitted model; k features, held to [low, high] (k,), where training saw them, and scaled to (x - mean) / scale.

    The log-odds are intercept + z linear + z products z, with linear (k,) and products (k, k), calibrated.
    """

    low: Floats
    high: Floats
    mean: Floats
    scale: Floats
    intercept: float
    linear: Floats
    products: Floats
    rarity: Rarity

    def scaled(self, features: NDArray[np.floating]) -> Floats:
        """Features (pairs, k) as the model sees them: held to where it was trained, which bounds the log-odds, and scaled."""
        return (np.clip(np.asarray(features, dtype=np.float64), self.low, self.high) - self.mean) / self.scale

    def probability(self, features: NDArray[np.floating]) -> Floats:
        """The probability in (0, 1) that each pair of texts is a duplicate, (pairs,), from its features (pairs, k).

        It is calibrated where 37 of 100 pairs are duplicates, and the rest are near misses, as among the labelled Quora
        pairs: among candidates of which fewer are duplicates it is too high. Raises ValueError for another k.
        """
        if features.ndim != 2 or features.shape[1] != len(FEATURES):
            raise ValueError(f"features of shape {features.shape}, not (pairs, {len(FEATURES)})")
        found = np.empty(len(features))
        for start in range(0, len(features), _BLOCK):
            z = self.scaled(features[start : start + _BLOCK])
            found[start : start + _BLOCK] = self.intercept + z @ self.linear + np.einsum("ij,ij->i", z @ self.products, z)
        return np.asarray(expit(found))

    def score(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """The probability for pairs of `texts`, as they stand, by their numbers, (pairs,) in [0, 1].

        Texts that fold to one key are duplicates by definition and get 1; a text without words is like nothing and gets 0.
        """
        read = tokenize_texts(texts, self.rarity)
        some = [slice(start, start + _SCORED) for start in range(0, len(first), _SCORED)]
        return np.concatenate([np.empty(0), *(self._judged(texts, read, first[block], second[block]) for block in some)])

    def _judged(self, texts: Sequence[str], read: TokenizedTexts, first: Rows, second: Rows) -> Floats:
        features = pair_features(read, first, second)
        found = self.probability(features)
        # Of other texts than these, which have no words or the same in the same order, the keys need not be made.
        empty = read.words.lengths == 0
        few = np.flatnonzero(empty[first] | empty[second] | (features[:, _WORD_ORDER] == 1))
        needed, (a, b) = compact_ids(len(texts), first[few], second[few])
        found[few] = with_exact_cases([texts[k] for k in needed], a, b, found[few])
        return found


def with_exact_cases(texts: Sequence[str], first: Rows, second: Rows, found: Floats) -> Floats:
    """Probabilities (pairs,) but for what needs no model: 1 for texts that fold to one key, 0 if one has no words."""
    key, empty = _keys(texts)
    return np.where(empty[first] | empty[second], 0.0, np.where(key[first] == key[second], 1.0, found))


@cache
def built_in() -> PairScore:
    """The model that is shipped; read once."""
    return from_dict(_shipped())


def built_in_threshold_counts() -> list[ThresholdCounts]:
    """What each threshold on the shipped model is worth on pairs of questions that took no part in fitting or calibration."""
    return [(threshold, called, right) for threshold, called, right in _shipped()["held_out"]["operating"]]


@cache
def _shipped() -> dict[str, Any]:
    card: dict[str, Any] = json.loads((files("dlcli.core.text.scoring") / FILE).read_text(encoding="utf-8"))
    return card


def from_dict(card: dict[str, Any]) -> PairScore:
    """The model of a card, as `to_dict` makes it; raises ValueError if it is for other features than these."""
    if tuple(card["features"]) != tuple(name for name, _ in FEATURES):
        raise ValueError(f"{FILE} is for other features; make it anew with examples/fit_pair_score.py")
    words, numbers = card["words"], card["model"]
    rarity = Rarity(np.array(words["crc32"], np.int64), np.array(words["rarity"], np.float64), float(words["unseen"]))
    arrays = {name: np.array(numbers[name], np.float64) for name in ("low", "high", "mean", "scale", "linear", "products")}
    return PairScore(intercept=float(numbers["intercept"]), rarity=rarity, **arrays)


def to_dict(model: PairScore, **provenance: Any) -> dict[str, Any]:
    """The model as plain numbers, to 6 digits, with what is said of where they come from."""
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
    """For each text the number of its key, and whether that is empty."""
    keys = fold_all(texts)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.int64), np.array([not key for key in keys], bool)


def _plain(values: Any) -> Any:
    if np.ndim(values) == 0:
        return float(f"{float(values):.6g}")
    return [_plain(value) for value in np.asarray(values)]
