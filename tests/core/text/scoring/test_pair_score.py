import json
from dataclasses import fields, replace
from math import exp, isnan, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.evaluation import metrics
from dlcli.core.pairs.labelled import read_labelled_pairs, split_by_question
from dlcli.core.proportion import effective_share
from dlcli.core.text.scoring.crowding import Crowding, Weights
from dlcli.core.text.scoring.features import FEATURES, NAMES
from dlcli.core.text.scoring.operating_point import choose_threshold, count_by_threshold
from dlcli.core.text.scoring.pair_score import FILE, LONG, built_in, built_in_threshold_counts, from_dict, to_dict
from dlcli.core.text.scoring.rarity import TableWords
from dlcli.core.text.scoring.sentence_score import VETOES
from dlcli.core.text.tokens import fold_all

ROOT = Path(__file__).resolve().parents[4]
DATA = ROOT.parent / "shared" / "data"
DUPLICATES = [
    ("How do I learn to play the guitar?", "How can I learn to play guitar?"),
    ("What is the best way to lose weight?", "What are the best ways to lose weight fast?"),
    ("Why is the sky blue?", "Why does the sky look blue?"),
    ("How can I reset my Gmail password?", "How do I reset the password of my Gmail account?"),
    ("Was the moon landing faked?", "Did they fake the moon landing?"),
]
OTHERS = [
    ("How do I learn to play the guitar?", "How do I learn to play the piano?"),
    ("What is the best way to lose weight?", "What is the best way to learn Spanish?"),
    ("Why is the sky blue?", "Why is the sea salty?"),
    ("What is the population of India?", "What is the population of China?"),
    ("Should I eat before a run?", "How do banks make money?"),
]


def scores(pairs):
    texts = [text for pair in pairs for text in pair]
    return built_in().score(texts, np.arange(0, len(texts), 2), np.arange(1, len(texts), 2))


def test_every_duplicate_scores_above_every_near_miss():
    assert scores(DUPLICATES).min() > scores(OTHERS).max()
    assert scores(OTHERS[-1:])[0] < 0.05


def log_odds_of(model: dict[str, Any], values: list[float], size: int) -> float:
    """The calibrated sum of trees, node by node."""
    trees, total = model["trees"], model["trees"]["baseline"]
    for node in trees["starts"]:
        while trees["left"][node] >= 0:
            value, limit = values[trees["feature"][node]], float(np.float32(trees["threshold"][node]))
            goes_left = trees["missing_left"][node] if isnan(value) else value <= limit
            node = trees["left" if goes_left else "right"][node]
        total += trees["value"][node]
    low, high = model["sizes"]
    return model["slope"] * total + model["intercept"] + model["by_size"] * log(min(high, max(low, size)))


some_features = st.lists(st.floats(-50, 50, width=32) | st.just(float("nan")), min_size=len(FEATURES), max_size=len(FEATURES))


@given(some_features, st.none() | st.integers(1, 100_000))
def test_the_probability_is_the_formula_term_by_term(values, size):
    card = json.loads((ROOT / "dlcli" / "core" / "text" / "scoring" / FILE).read_text(encoding="utf-8"))
    values[NAMES.index("length")] = 1.0
    for name in VETOES:  # never missing
        values[NAMES.index(name)] = 0.0 if isnan(values[NAMES.index(name)]) else values[NAMES.index(name)]
    odds = log_odds_of(card["alone" if size is None else "in_table"], values, size or 1)
    if size is not None:
        odds += sum(weight * float(np.float32(values[NAMES.index(name)])) for name, weight in card["vetoes"].items())
    found = built_in().probability(np.array([values], np.float32), size)
    assert found.shape == (1,)
    assert found[0] == pytest.approx(1 / (1 + exp(-odds)), abs=1e-9)


def test_the_same_pair_is_less_likely_a_duplicate_in_a_larger_table():
    texts = [text for pair in DUPLICATES for text in pair]
    first, second = np.arange(0, len(texts), 2), np.arange(1, len(texts), 2)
    found = [built_in().score(texts, first, second, TableWords(size, 0, {})) for size in (20, 100, 300, 10_000)]
    assert (found[0] > found[1]).all() and (found[1] > found[2]).all()
    np.testing.assert_array_equal(found[2], found[3])


def test_long_texts_are_scored_by_the_word_pairs_they_share():
    random = np.random.default_rng(0)
    words = [f"{a}{b}{c}" for a in "bcdfglmnprst" for b in "aeiou" for c in ("n", "r", "st", "l", "ck")]
    for length in (LONG, 500, 2000):
        body = random.choice(words, length).tolist()
        copy = [random.choice(words) if random.random() < 0.02 else word for word in body]
        other = random.choice(words, length).tolist()
        assert scores([(" ".join(body), " ".join(copy))])[0] > 0.95
        assert scores([(" ".join(body), " ".join(other))])[0] < 0.01


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(max_size=30) | st.sampled_from(["How are you?", "how ARE  you", "?", "a", "😀"]), min_size=2, max_size=6)
)
def test_scores_are_probabilities_the_same_both_ways_one_for_equal_keys_and_zero_for_no_words(texts):
    from dlcli.core.text.tokens import fold

    first, second = (grid.ravel() for grid in np.indices((len(texts), len(texts))))
    found = built_in().score(texts, first, second)
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(found, built_in().score(texts, second, first), atol=1e-5)
    for i, j, p in zip(first, second, found, strict=True):
        a, b = fold(texts[i]), fold(texts[j])
        if not a or not b:
            assert p == 0
        elif a == b:
            assert p == 1


def test_a_language_that_the_table_does_not_know():
    same, other = scores(
        [
            ("Wie lerne ich Deutsch?", "Wie kann ich Deutsch lernen?"),
            ("Wie lerne ich Deutsch?", "Wo wohnt der Hund von Peter?"),
        ]
    )
    assert same > 0.5 > other
    assert scores([("你好吗我很好", "你好吗我很好啊")])[0] > scores([("你好吗我很好", "今天下雨")])[0]


def test_features_of_another_width_are_refused():
    with pytest.raises(ValueError, match=f"not \\(pairs, {len(FEATURES)}\\)"):
        built_in().probability(np.zeros((3, 22)))


def test_a_card_comes_back_as_it_was_and_one_for_other_features_is_refused():
    crowding = Crowding(Weights(1.5, -0.5, 2.0, 0.0), Weights(1.25, 0.5, 1.0, -1.0), Weights(0.75, 0.25, 0.5, 1.5), 0.5, 0.25)
    model = replace(built_in(), in_table=replace(built_in().in_table, intercept=0.25), crowding=crowding)
    card = json.loads(json.dumps(to_dict(model, seed=1)))
    again = from_dict(card)
    assert again.in_table.intercept == 0.25
    assert again.crowding == model.crowding
    assert again.vetoes == model.vetoes
    for one, other in ((again.alone, model.alone), (again.in_table, model.in_table)):
        assert (one.slope, one.by_size, one.sizes) == (other.slope, other.by_size, other.sizes)
        for field in fields(one.trees):
            np.testing.assert_array_equal(getattr(one.trees, field.name), getattr(other.trees, field.name))
    assert again.rarity.of(["the", "zyxw"]).tolist() == model.rarity.of(["the", "zyxw"]).tolist()
    with pytest.raises(ValueError, match="other features"):
        from_dict({**card, "features": card["features"][1:]})


def test_the_shipped_card_says_where_it_comes_from_and_holds_no_text():
    card = json.loads((ROOT / "dlcli" / "core" / "text" / "scoring" / FILE).read_text(encoding="utf-8"))
    assert card["features"] == list(NAMES)
    assert {"script", "date", "seed", "fitted_on", "licence", "judged"} <= card["provenance"].keys()
    assert (ROOT / card["provenance"]["script"]).exists()
    assert all(isinstance(number, int) for number in card["words"]["crc32"])
    assert card["words"]["crc32"] == sorted(set(card["words"]["crc32"]))
    assert 0 < min(card["words"]["rarity"]) < max(card["words"]["rarity"]) < card["words"]["unseen"]


def test_the_shipped_counts_are_such_of_one_set_of_pairs():
    card = json.loads((ROOT / "dlcli" / "core" / "text" / "scoring" / FILE).read_text(encoding="utf-8"))["held_out"]
    thresholds, called, right, effective = zip(*built_in_threshold_counts(), strict=True)
    assert list(thresholds) == [k / 100 for k in range(1, 100)]
    for counts, most in ((called, card["pairs"]), (right, card["duplicates"])):
        assert list(counts) == sorted(counts, reverse=True) and counts[0] <= most
    assert all(r <= c for r, c in zip(right, called, strict=True))
    # Pairs that share questions tell less than as many independent ones, most so where most are called.
    assert all(0 < e <= c for e, c in zip(effective, called, strict=True)) and effective[4] < called[4] / 5


@pytest.mark.slow
def test_held_out_quora_questions_and_mrpc():
    if not (DATA / "pairs" / "quora_pairs.csv.gz").exists():
        pytest.skip("the labelled pairs are not in ../shared/data; the pairs above are tested instead")
    train, validation, test = split_by_question(read_labelled_pairs(str(DATA / "pairs" / "quora_pairs.csv.gz")), 0)
    questions = [set(fold_all(part.texts)) for part in (train, validation, test)]
    assert not questions[0] & questions[2] and not questions[1] & questions[2] and not questions[0] & questions[1]
    counts = {
        name: count_by_threshold(built_in().score(part.texts, part.first, part.second), part.duplicate, part.component)
        for name, part in (("dev", validation), ("test", test))
    }
    assert counts["test"] == built_in_threshold_counts()
    for wanted in (0.6, 0.7, 0.8):
        _, called, right, effective = counts["test"][round(choose_threshold(counts["dev"], wanted, "dev").threshold * 100) - 1]
        assert effective_share(right, called, effective).high >= wanted
    for pairs, least in ((test, 0.85), (read_labelled_pairs(str(DATA / "pairs" / "mrpc_test.csv.gz")), 0.76)):
        area = metrics.auc(built_in().score(pairs.texts, pairs.first, pairs.second), pairs.duplicate)
        assert area.low > least
