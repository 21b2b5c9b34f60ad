"""What every scorer promises: it learns, it is the same for one seed, symmetric, calibrated, and kept without loss."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dlcli.core.evaluation.metrics import auc
from dlcli.core.pairs.labelled import split_by_question
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.pairs.scorers import SCORERS
from tests.core.pairs.synthetic_pairs import synthetic_pairs

NAMES = SCORERS.names()
FIT = {"siamese": {"vectors": "tfidf"}, "fc": {"vectors": "tfidf"}}
MAKES_A_MODEL = [name for name in NAMES if name != "auto"]
TRAIN, DEV, TEST = split_by_question(synthetic_pairs(1200), 0)


@cache
def fitted(name: str, seed: int = 0) -> PairScorer:
    scorer = replace(SCORERS.module(name).SCORER, **FIT.get(name, {}))
    return scorer.fit(TRAIN, DEV, seed)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_the_labels_say(name: str):
    area = auc(fitted(name).score(TEST.texts, TEST.first, TEST.second), TEST.duplicate)
    assert area.low > 0.7


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_are_about_as_often_right_as_they_say(name: str):
    """By Platt's own equation, on dev the mean probability is the share of duplicates."""
    scorer = fitted(name)
    log_odds = scorer.slope * scorer.model.decision_function(DEV.texts, DEV.first, DEV.second) + scorer.intercept
    assert scorer.slope > 0
    assert (1 / (1 + np.exp(-log_odds))).mean() == pytest.approx(DEV.duplicate.mean(), abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits_and_the_order_of_a_pair_does_not_matter(name: str):
    one = fitted(name)
    again = replace(SCORERS.module(name).SCORER, **FIT.get(name, {})).fit(TRAIN, DEV, 0)
    assert (again.slope, again.intercept) == (one.slope, one.intercept)
    scores = one.model.decision_function(TEST.texts, TEST.first, TEST.second)
    np.testing.assert_array_equal(again.model.decision_function(TEST.texts, TEST.first, TEST.second), scores)
    np.testing.assert_allclose(one.model.decision_function(TEST.texts, TEST.second, TEST.first), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_has_the_same_score_in_whatever_company(name: str):
    one = fitted(name)
    whole = one.score(TEST.texts, TEST.first, TEST.second)
    few = TEST.take(np.arange(5))
    np.testing.assert_allclose(one.score(few.texts, few.first, few.second), whole[:5], rtol=0, atol=1e-5)
    assert one.score(few.texts, few.first[:0], few.second[:0]).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_equal_keys_are_duplicates_and_no_words_are_like_nothing(name: str):
    texts = ["What is SELU?", "what is selu", "?!", "never seen zyxwv"]
    found = fitted(name).score(texts, np.array([0, 0, 2, 3]), np.array([1, 2, 2, 0]))
    assert found[0] == 1 and found[1] == 0 and found[2] == 0 and 0 <= found[3] <= 1


@pytest.mark.parametrize("name", MAKES_A_MODEL)
def test_card_and_arrays_are_all_of_it(name: str):
    model = fitted(name).model
    again = SCORERS.module(name).load(model.metadata(), model.arrays())
    expected = model.decision_function(TEST.texts, TEST.first, TEST.second)
    np.testing.assert_array_equal(again.decision_function(TEST.texts, TEST.first, TEST.second), expected)
    assert all(array.dtype != object for array in model.arrays().values())


def test_a_words_model_saved_before_word_dropout_had_its_name_is_read():
    model = fitted("words").model
    settings = model.metadata()
    older = {"forget" if name == "word_dropout" else name: value for name, value in settings.items()}
    again = SCORERS.module("words").load(older, model.arrays())
    expected = model.decision_function(TEST.texts, TEST.first, TEST.second)
    np.testing.assert_array_equal(again.decision_function(TEST.texts, TEST.first, TEST.second), expected)
    assert again.metadata() == settings


def test_auto_takes_lexical_for_few_labels():
    assert fitted("auto").name == "lexical"


def test_lexical_chooses_by_the_data():
    from dlcli.core.pairs.scorers.lexical import Lexical

    assert Lexical().fit(*split_by_question(synthetic_pairs(120), 1)[:2], 0).model.metadata()["learner"] in (
        "logistic",
        "trees",
    )


def test_another_seed_draws_other_weights():
    rows = fitted("words").model.decision_function(TEST.texts, TEST.first, TEST.second)
    assert not np.array_equal(rows, fitted("words", 1).model.decision_function(TEST.texts, TEST.first, TEST.second))
