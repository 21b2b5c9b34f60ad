"""Measures of a score of pairs against scikit-learn, and what their intervals do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as peer

from dlcli.core.pairs.labelled import make_labelled_pairs
from dlcli.core.pairs.measures import evaluate_pairs, has_few
from tests.core.pairs.synthetic_pairs import synthetic_pairs

PAIRS = synthetic_pairs(300)
SCORES = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=60).filter(
    lambda rows: len({y for y, _ in rows}) == 2
)


@given(SCORES)
def test_ap_and_f1_with_ties_are_scikit_learns(rows: list[tuple[bool, int]]):
    y, score = np.array([y for y, _ in rows]), np.array([k / 8 for _, k in rows])
    pairs = make_labelled_pairs([(f"question {k}", f"another {k}") for k in range(len(y))], y.tolist())
    found = evaluate_pairs(pairs, score)
    assert found["ap"].value == pytest.approx(peer.average_precision_score(y, score))
    assert found["auc"].value == pytest.approx(peer.roc_auc_score(y, score))
    assert found["f1"].value == pytest.approx(peer.f1_score(y, score >= 0.5, zero_division=0))


def test_all_measures_are_scikit_learns():
    pairs = synthetic_pairs(300)
    p = np.clip(pairs.duplicate * 0.4 + np.random.default_rng(0).random(len(pairs)) * 0.6, 0, 1)
    found, y, called = evaluate_pairs(pairs, p), pairs.duplicate, p >= 0.5
    truth = {
        "accuracy": peer.accuracy_score(y, called),
        "precision": peer.precision_score(y, called),
        "recall": peer.recall_score(y, called),
        "f1": peer.f1_score(y, called),
        "auc": peer.roc_auc_score(y, p),
        "ap": peer.average_precision_score(y, p),
    }
    assert {name: found[name].value for name in truth} == pytest.approx(truth)
    assert list(found) == [*truth, "ece"]
    assert all(one.low <= one.value <= one.high for one in found.values())
    assert found["auc"] == evaluate_pairs(pairs, p)["auc"]


def test_pairs_of_one_component_count_as_one():
    """Twenty copies of each pair are no more evidence than one: every interval by component stays as wide."""
    once = synthetic_pairs(200)
    score = np.random.default_rng(1).random(200) * 0.5 + once.duplicate * 0.3
    both = [(once.texts[a], once.texts[b]) for a, b in zip(once.first, once.second, strict=True)]
    often = make_labelled_pairs(both * 20, once.duplicate.tolist() * 20)
    narrow, wide = (evaluate_pairs(pairs, p) for pairs, p in ((once, score), (often, np.tile(score, 20))))
    for name, one in narrow.items():
        if name != "ece":  # which chance raises less where it is known to be small
            assert wide[name].value == pytest.approx(one.value)
        assert wide[name].high - wide[name].low == pytest.approx(one.high - one.low, rel=0.35), name


def test_a_perfect_score_is_no_certainty():
    perfect = np.where(PAIRS.duplicate, 0.9, 0.1)
    for name, one in evaluate_pairs(PAIRS, perfect).items():
        if name != "ece":
            assert (one.value, one.high) == (1, 1)
            assert 0.95 < one.low < 0.999, name


def test_one_misordered_pair_does_not_narrow_the_intervals():
    perfect = np.where(PAIRS.duplicate, 0.9, 0.1)
    mistaken = perfect.copy()
    mistaken[np.flatnonzero(PAIRS.duplicate)[0]] = 0.05
    one, other = evaluate_pairs(PAIRS, mistaken), evaluate_pairs(PAIRS, perfect)
    for name in ("accuracy", "recall", "f1", "auc"):
        assert one[name].low < other[name].low, name


@pytest.mark.parametrize(("few", "rows"), [(True, 3), (True, 9), (False, 20)])
def test_a_handful_of_pairs_has_no_interval_by_resampling(few: bool, rows: int):
    pairs = synthetic_pairs(60)
    pairs = pairs.take(np.argsort(np.arange(60) // 2 + 30 * (np.cumsum(pairs.duplicate) % 2), kind="stable")[:rows])
    assert 0 < pairs.duplicate.sum() < rows
    found = evaluate_pairs(pairs, pairs.duplicate * 0.8 + 0.1)
    assert has_few(pairs) == few
    for name in ("auc", "ap", "ece"):
        assert ((found[name].low, found[name].high) == (0.0, 1.0)) == few


def test_pairs_that_hang_together_have_none_either():
    chain = make_labelled_pairs([(f"q {k}", f"q {k + 1}") for k in range(60)], [k % 2 == 0 for k in range(60)])
    found = evaluate_pairs(chain, np.random.default_rng(0).random(60))
    assert (found["auc"].low, found["auc"].high) == (0.0, 1.0)


def test_what_has_no_value_is_left_out():
    pairs = synthetic_pairs(60)
    none = evaluate_pairs(pairs, np.zeros(60))
    assert "precision" not in none and none["recall"].value == 0
    only = pairs.take(pairs.duplicate)
    assert "auc" not in evaluate_pairs(only, np.full(len(only), 0.7))
