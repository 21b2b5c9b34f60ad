"""The built-in score: the probability that two texts ask or say the same, without any training.

Gradient-boosted trees (Friedman 2001) on the features of `dlcli.core.text.scoring.features`, monotone where the direction in
which a feature counts is known, with log-odds calibrated on other pairs (Platt 1999). One such model is for a pair alone,
another one for a pair of a table, whose words and size it knows: the pairs of a table grow with the square of its rows and its
duplicates do not, so the same two texts are less likely duplicates in a larger one. In a table, features that contradict a
duplicate (`VETOES`) have a weight beside the trees too, since trees heed these too little on kinds of tables that they have not
seen. What the other pairs of the table tell is in `dlcli.core.text.scoring.crowding`.

`pair_score.json` holds the fitted numbers and their provenance; `examples/fit_pair_score.py` fits them again. The file contains
no text of the training data: words are identified by CRC-32.
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
from dlcli.core.text.scoring.arrays import Floats, Rows
from dlcli.core.text.scoring.crowding import Crowding, crowding_from_dict, crowding_to_dict
from dlcli.core.text.scoring.features import FEATURES, NAMES, pair_features
from dlcli.core.text.scoring.operating_point import ThresholdCounts
from dlcli.core.text.scoring.rarity import Rarity, TableWords
from dlcli.core.text.scoring.sentence_score import VETOES, sentence_score, vetoed
from dlcli.core.text.scoring.tokenized_texts import TokenizedTexts, tokenize_texts
from dlcli.core.text.scoring.trees import CalibratedTrees, calibrated_from_dict, calibrated_to_dict
from dlcli.core.text.scoring.word_vectors import WordVectors, built_in_vectors
from dlcli.core.text.tokens import fold_all
from dlcli.support.in_parts import taken

FILE = "pair_score.json"
LONG = 200
"""From this many words on in both texts a pair is scored by the share of word pairs in common alone."""
_SCORED = 1 << 17
"""Pairs whose features are in memory at a time, 18 MB."""
_WORD_ORDER, _LENGTH, _BIGRAMS = map(NAMES.index, ("word_order", "length", "bigram_jaccard"))
_LONG_HALF, _LONG_SLOPE = 0.5, 16.0
"""The share at which a long pair has a probability of 0.5, and how fast that rises. One word in six may be changed: k
changes per 100 words leave a share of about (100 - 2 k) / (100 + 2 k) of the word pairs."""


@dataclass(frozen=True)
class PairScore:
    """The fitted models.

    Attributes:
        alone: For a pair of texts and nothing else.
        in_table: For a pair of a table.
        vetoes: Weight of each feature of `VETOES` in the log-odds in a table, 0 or less, beside what the trees make of it.
        crowding: How the other pairs of the table count.
        precision_error: How far off the precision is that the probabilities in a table promise, see `expected_precision`.
        rarity: How rare words are in English.
        vectors: Vectors of words.
    """

    alone: CalibratedTrees
    in_table: CalibratedTrees
    vetoes: tuple[float, ...]
    crowding: Crowding
    precision_error: tuple[float, float]
    rarity: Rarity
    vectors: WordVectors

    @property
    def uses_device(self) -> bool:
        """False: numpy computes the features."""
        return False

    def probability(
        self, features: NDArray[np.float32], table_size: int | None = None, above_chance: Floats | None = None
    ) -> Floats:
        """The probability that each pair is a duplicate, from its features.

        A pair alone is calibrated for a duplicate rate of 37%, with near misses as the rest, as in the labelled Quora pairs; a
        pair of a table for all pairs of tables of that size. Long texts differ in what is left over far more than any pair of
        sentences does, so these have a score of their own.

        Args:
            features: The features, (pairs, k).
            table_size: Number of distinct texts of the table; None for pairs alone.
            above_chance: The cosine of a sentence model above chance, (pairs,), for pairs of a table; None omits that.

        Returns:
            The probabilities, (pairs,) in (0, 1).

        Raises:
            ValueError: If k is wrong.
        """
        if features.ndim != 2 or features.shape[1] != len(FEATURES):
            raise ValueError(f"features of shape {features.shape}, not (pairs, {len(FEATURES)})")
        odds = self.alone.log_odds(features) if table_size is None else self._in_table(features, table_size, above_chance)
        long = features[:, _LENGTH] > np.log1p(LONG - 0.5)
        return np.asarray(expit(np.where(long, _LONG_SLOPE * (features[:, _BIGRAMS] - _LONG_HALF), odds)))

    def _in_table(self, features: NDArray[np.float32], table_size: int, above_chance: Floats | None) -> Floats:
        odds = self.in_table.log_odds(features, table_size)
        if above_chance is not None:
            return sentence_score().log_odds(odds, above_chance, features)
        return np.asarray(odds + vetoed(features, self.vetoes))

    def score(
        self,
        texts: Sequence[str],
        first: Rows,
        second: Rows,
        table: TableWords | None = None,
        above_chance: Floats | None = None,
    ) -> Floats:
        """The probability that `texts[first]` and `texts[second]` are duplicates, (pairs,) in [0, 1].

        Texts with the same key are duplicates by definition and get 1; pairs with a text without words get 0.

        Args:
            texts: The texts.
            first: Number of the first text of each pair, (pairs,).
            second: Number of the second text.
            table: How frequent words are in the table of the texts; None omits that.
            above_chance: The cosine of a sentence model above chance, (pairs,), for pairs of a table; None omits that.

        Returns:
            The probabilities.
        """
        read = tokenize_texts(texts, self.rarity, table=table, vectors=self.vectors)
        some = [slice(start, start + _SCORED) for start in range(0, len(first), _SCORED)]
        found = [np.empty(0)]
        for block in some:
            cosine = None if above_chance is None else above_chance[block]
            found.append(self._score_block(texts, read, (first[block], second[block]), cosine))
        return np.concatenate(found)

    def _score_block(
        self, texts: Sequence[str], read: TokenizedTexts, pairs: tuple[Rows, Rows], above_chance: Floats | None
    ) -> Floats:
        first, second = pairs
        features = pair_features(read, first, second)
        found = self.probability(features, read.table_size, above_chance)
        # Only texts without words, or with the same words in the same order, can have equal or empty keys; fold only these.
        empty = read.words.lengths == 0
        few = np.flatnonzero(empty[first] | empty[second] | (features[:, _WORD_ORDER] == 1))
        needed, (a, b) = compact_ids(len(texts), first[few], second[few])
        found[few] = with_exact_cases(taken(texts, needed.tolist()), a, b, found[few])
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
        raise ValueError(f"{FILE} was fitted on other features and has to be fitted again")
    words = card["words"]
    rarity = Rarity(np.array(words["crc32"], np.int64), np.array(words["rarity"], np.float64), float(words["unseen"]))
    alone, in_table = calibrated_from_dict(card["alone"]), calibrated_from_dict(card["in_table"])
    low, high = map(float, card["precision_error"])
    vetoes = tuple(float(card["vetoes"][name]) for name in VETOES)
    return PairScore(alone, in_table, vetoes, crowding_from_dict(card["crowding"]), (low, high), rarity, built_in_vectors())


def to_dict(model: PairScore, **provenance: Any) -> dict[str, Any]:
    """The model as plain numbers, rounded to 6 digits, with its `provenance`."""
    words = {
        "unseen": _plain(model.rarity.unseen),
        "crc32": model.rarity.hashes.tolist(),
        "rarity": _plain(model.rarity.values),
    }
    return {
        "provenance": provenance,
        "features": [name for name, _ in FEATURES],
        "alone": calibrated_to_dict(model.alone),
        "in_table": calibrated_to_dict(model.in_table),
        "vetoes": {name: _plain(weight) for name, weight in zip(VETOES, model.vetoes, strict=True)},
        "crowding": crowding_to_dict(model.crowding),
        "precision_error": _plain(model.precision_error),
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
