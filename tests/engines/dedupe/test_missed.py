"""Duplicates among the pairs that were not scored: the estimate beside the truth, for which all of them are scored."""

import random

import numpy as np
import pytest

from dlcli.core.text.distinct import distinct
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import count_words
from dlcli.core.text.scoring.scored_pairs import score_pairs
from dlcli.core.text.search import budget
from dlcli.core.text.search.budget import pairs_from
from dlcli.core.text.vectors import make_vectors
from dlcli.engines import dedupe
from dlcli.engines.dedupe import missed
from dlcli.specs.dedupe import DedupeConfig

STREETS = ["Mill", "Church", "Station", "Park", "Bridge", "Castle", "Market", "School", "Forest", "Garden"]
TOWNS = ["Oxford", "Lincoln", "Durham", "Exeter", "York"]


def addresses():
    rng = random.Random(4)
    rows = [f"{rng.randint(1, 60)} {street} Street, {town}" for street in STREETS for town in TOWNS for _ in range(3)]
    return sorted({*rows, *(row.replace("Street", "St.").replace("Lincoln", "Lincon") for row in rows)})


@pytest.fixture
def small_budget(monkeypatch):
    """Few pairs, so that a small table is searched as a larger one is."""
    monkeypatch.setattr(budget, "_MOST", 300)
    monkeypatch.setattr(budget, "_LEAST", 100)


def test_the_interval_covers_the_number_that_all_next_pairs_have(small_budget, monkeypatch):
    texts = distinct(addresses())
    vectors, words = make_vectors("tfidf", texts.keys), count_words(texts.texts, step=1)
    level, lower = 0.8, missed.next_level(vectors, texts, 0.8, 0.8)
    more, candidates = pairs_from(vectors, lower), pairs_from(vectors, level)
    assert lower < level and np.array_equal(more.from_cosine(level).score, candidates.score)
    assert np.array_equal(more.from_cosine(level).first, candidates.first)
    monkeypatch.setattr(missed, "_SAMPLED", 10**9)
    whole = missed.next_pairs(more, candidates, len(texts), lower)
    exact = missed.count_unscored(whole, score_pairs(built_in(), texts, whole.sample, words), 0.4)
    assert exact.low == exact.duplicates == exact.high > 10 and len(whole.sample) == whole.size == exact.pairs
    known = set(zip(candidates.first.tolist(), candidates.second.tolist(), strict=True))
    assert not known & set(zip(whole.sample.first.tolist(), whole.sample.second.tolist(), strict=True))
    assert whole.sample.score.min() >= whole.min_cosine - 1e-5
    monkeypatch.setattr(missed, "_SAMPLED", whole.size // 3)
    covered = []
    for seed in range(60):
        monkeypatch.setattr(missed, "_SEED", seed)
        pairs = missed.next_pairs(more, candidates, len(texts), lower)
        found = missed.count_unscored(pairs, score_pairs(built_in(), texts, pairs.sample, words), 0.4)
        covered.append(found.low <= exact.duplicates <= found.high)
    assert sum(covered) >= 52  # 57 of 60 expected
    assert np.unique([found.sampled, pairs.size]).tolist() == [whole.size // 3, whole.size]


def test_the_result_and_a_note_have_it_only_where_pairs_were_left_out(small_budget, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("address\n" + "".join(f'"{row}"\n' for row in addresses()), encoding="utf-8")
    result = dedupe.run(DedupeConfig(table=str(path), column="address"))
    assert result.unscored.low <= result.unscored.duplicates <= result.unscored.high
    notes = [note for note in result.notes if "more pairs would be called duplicates" in note]
    assert len(notes) == (result.unscored.low > 0)
    assert dedupe.run(DedupeConfig(table=str(path), column="address", candidates=0.9)).unscored is None


def test_of_a_small_table_nothing_is_left_out():
    result = dedupe.run(DedupeConfig(table="questions"))
    assert result.candidates_from == 0 and result.unscored is None
