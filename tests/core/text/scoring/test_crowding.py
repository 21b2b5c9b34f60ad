"""A pair whose texts are like different others is less likely a duplicate."""

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.scoring.crowding import COUNTED, Crowding, disagreement
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.sentence_score import sentence_score
from dlcli.core.text.search.neighbours import Pairs

HOW = Crowding(slope=1.25, intercept=0.5, others=1.75)
TEXTS = 6
ALL = [(i, j) for j in range(TEXTS) for i in range(j)]
some_pairs = st.dictionaries(st.sampled_from(ALL), st.integers(0, 10**6).map(lambda k: k / 10**6), min_size=1)


def as_arrays(probability: dict[tuple[int, int], float]) -> tuple[Pairs, np.ndarray]:
    first, second = (np.array(side, np.int32) for side in zip(*probability, strict=True))
    return Pairs(first, second, np.zeros(len(first), np.float32)), np.array(list(probability.values()))


def by_hand(probability: dict[tuple[int, int], float], pair: tuple[int, int]) -> float:
    """The disagreement of one pair, text by text."""

    def p(i: int, k: int) -> float:
        found = probability.get((min(i, k), max(i, k)), 0.0)
        return found if COUNTED <= found < 1 else 0.0

    i, j = pair
    others = [(p(i, k), p(j, k)) for k in range(TEXTS) if k not in pair]
    return sum(abs(a - b) for a, b in others) / (1 + sum(a + b for a, b in others))


@given(some_pairs)
def test_the_disagreement_is_the_formula_pair_by_pair(probability):
    found = disagreement(*as_arrays(probability), TEXTS)
    assert found.tolist() == pytest.approx([by_hand(probability, pair) for pair in probability], abs=1e-9)


@given(some_pairs)
def test_pairs_that_are_no_candidates_are_compared_by_the_candidates(probability):
    missing = [pair for pair in ALL if pair not in probability]
    if missing:
        beside, _ = as_arrays(dict.fromkeys(missing, 0.5))
        found = disagreement(*as_arrays(probability), TEXTS, beside)
        assert found.tolist() == pytest.approx([by_hand(probability, pair) for pair in missing], abs=1e-9)


@given(st.floats(0.001, 0.999), st.floats(0, 1))
def test_the_correction_is_the_formula(p, differing):
    odds = HOW.slope * log(p / (1 - p)) + HOW.intercept - HOW.others * differing
    (found,) = HOW.corrected(np.array([p]), np.array([differing]))
    assert found == pytest.approx(1 / (1 + exp(-odds)), abs=1e-6)
    assert HOW.corrected(np.array([0.0, 1.0]), np.array([differing, differing])).tolist() == [0.0, 1.0]


@given(some_pairs, st.randoms())
def test_no_order_of_the_pairs_changes_a_bit(probability, random):
    items = list(probability.items())
    random.shuffle(items)
    found = dict(zip(probability, disagreement(*as_arrays(probability), TEXTS).tolist(), strict=True))
    shuffled = dict(items)
    assert dict(zip(shuffled, disagreement(*as_arrays(shuffled), TEXTS).tolist(), strict=True)) == found


@given(some_pairs)
def test_pairs_below_what_counts_may_be_missing(probability):
    kept = {pair: p for pair, p in probability.items() if p >= COUNTED}
    if kept:
        every = dict(zip(probability, disagreement(*as_arrays(probability), TEXTS).tolist(), strict=True))
        few = disagreement(*as_arrays(kept), TEXTS).tolist()
        assert few == [every[pair] for pair in kept]


def test_members_of_one_group_agree_and_links_of_a_chain_do_not():
    group = disagreement(*as_arrays(dict.fromkeys(ALL, 0.6)), TEXTS)
    chain = disagreement(*as_arrays({(k, k + 1): 0.6 for k in range(TEXTS - 1)}), TEXTS)
    np.testing.assert_array_equal(group, 0.0)
    assert chain[1:-1].tolist() == pytest.approx(3 * [1.2 / 2.2])
    assert disagreement(*as_arrays({(0, 1): 0.6}), TEXTS).tolist() == [0.0]


def test_hundreds_of_others_are_estimated_from_a_part_of_them():
    rng, n, wide = np.random.default_rng(0), 3002, 1200
    of_first, of_second = set(range(2, 2 + wide)), set(range(2 + wide // 2, 2 + wide + wide // 2))
    probability = {(0, 1): 0.5}
    probability |= {(0, k): round(float(rng.uniform(0.2, 0.9)), 6) for k in of_first}
    probability |= {(1, k): probability.get((0, k), 0.7) for k in of_second}
    ordered = dict(sorted(probability.items()))
    (found, *_), total = disagreement(*as_arrays(ordered), n), sum(probability.values()) - 0.5
    differing = sum(probability[0, k] for k in of_first - of_second) + sum(probability[1, k] for k in of_second - of_first)
    assert found == pytest.approx(differing / (1 + total), rel=0.15)
    same = {(0, 1): 0.5} | {(j, k): 0.6 for j in (0, 1) for k in of_first}
    assert disagreement(*as_arrays(dict(sorted(same.items()))), n)[0] == 0.0


@pytest.mark.parametrize("how", [HOW, built_in().crowding, sentence_score().crowding])
def test_what_may_reach_a_probability_is_kept(how: Crowding):
    assert how.slope > 0 and how.others >= 0
    grid = np.arange(1, 10**6) / 10**6
    corrected = how.corrected(grid, np.zeros(len(grid)))
    for wanted in (0.05, 0.175, 0.35, 0.5, 0.95):
        assert (grid[corrected >= wanted] >= how.smallest_reaching(wanted)).all()
    assert all(how.smallest_reaching(a) <= how.smallest_reaching(b) for a, b in pairwise((0.0, 0.1, 0.35, 0.9, 1.0)))
    assert how.smallest_reaching(0.0) == 0.0
