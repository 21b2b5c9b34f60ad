from itertools import combinations

import numpy as np
import pytest

from dlcli.core.text.scoring.crowding import Crowding, Weights
from dlcli.core.text.scoring.features import FEATURES, NAMES, pair_features
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import count_words
from dlcli.core.text.scoring.sentence_score import VETOES, SentenceScore, chance_cosine, cosine_above_chance, sentence_score
from dlcli.core.text.scoring.tokenized_texts import tokenize_texts
from dlcli.core.text.vectors import VECTORS, vectors_are_scored
from dlcli.specs.dedupe import THRESHOLD


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cosine_pairs(vectors):
    pairs = np.array([*combinations(range(len(vectors)), 2)])
    return np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]])


@pytest.mark.parametrize("n", [2, 3, 40])
def test_the_cosine_above_chance_is_zero_for_the_mean_and_one_for_equal_texts(n):
    vectors = unit(np.random.default_rng(n).normal(size=(n, 5)) + 0.5)
    mean = cosine_pairs(vectors).mean()
    np.testing.assert_allclose(cosine_above_chance(np.array([mean, 1.0]), chance_cosine(vectors)), [0, 1], atol=1e-9)


def test_a_model_that_gives_all_texts_a_higher_cosine_changes_nothing():
    vectors = unit(np.random.default_rng(0).normal(size=(30, 8)))
    narrow = unit(np.column_stack([vectors, np.full(30, 2.0)]))
    before, after = cosine_pairs(vectors), cosine_pairs(narrow)
    assert after.min() > 0.5 and before.mean() < 0.1
    np.testing.assert_allclose(
        cosine_above_chance(after, chance_cosine(narrow)), cosine_above_chance(before, chance_cosine(vectors)), atol=1e-9
    )


def test_one_text_and_none_have_no_pairs_to_compare():
    for n in (0, 1):
        assert chance_cosine(np.ones((n, 3))) == 0


def test_the_log_odds_are_a_weighted_sum():
    features = np.zeros((2, len(FEATURES)), np.float32)
    features[1, [NAMES.index(name) for name in VETOES]] = np.arange(1, len(VETOES) + 1)
    weights = tuple(-0.5 * k for k in range(len(VETOES)))
    found = SentenceScore(-3, 0.5, 4, weights, Crowding(*[Weights(1, 0, 0, 0)] * 3, 0, 0), (-1, 1)).log_odds(
        np.array([2.0, -1.0]), np.array([0.5, 1.0]), features
    )
    vetoed = sum(-0.5 * k * (k + 1) for k in range(len(VETOES)))
    np.testing.assert_allclose(found, [-3 + 1 + 2, -3 - 0.5 + 4 + vetoed])


def test_the_shipped_weights_have_the_signs_that_their_meaning_asks_for():
    found = sentence_score()
    assert found.lexical > 0 < found.cosine
    assert max(found.vetoes) < 0
    assert found.precision_error[0] < 0 < found.precision_error[1]


def test_a_closer_meaning_is_likelier_a_duplicate_unless_a_number_is_another():
    texts = ["how do I get my payment back", "refund of my payment", "invoice 2023 wrong", "invoice 2024 wrong"]
    first, second = np.array([0, 2]), np.array([1, 3])
    table = count_words(texts)
    by_cosine = [built_in().score(texts, first, second, table, np.full(2, level)) for level in (0.0, 0.4, 0.8)]
    refund, invoice = np.array(by_cosine).T
    assert refund[0] < refund[1] < refund[2]
    assert refund[2] > THRESHOLD > invoice[2]
    plain = built_in().score(texts, first, second, table)
    features = pair_features(tokenize_texts(texts, built_in().rarity, table=table, vectors=built_in().vectors), first, second)
    assert plain == pytest.approx(built_in().probability(features, len(texts)))


def test_only_sentence_models_are_scored_by_their_cosine():
    assert [name for name in VECTORS.names() if vectors_are_scored(name)] == ["sentence"]
