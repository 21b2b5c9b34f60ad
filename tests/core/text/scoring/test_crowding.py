"""What the other pairs of a table tell of a pair, against the formulas pair by pair and text by text."""

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.scoring.crowding import (
    COUNTED,
    RAISED,
    Crowding,
    Others,
    Traits,
    Weights,
    crowding_from_dict,
    crowding_to_dict,
    density,
    others,
)
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.sentence_score import sentence_score
from dlcli.core.text.scoring.separation import CLEAR, DOUBTFUL, FEWEST, LIKELY, MOST, separation
from dlcli.core.text.search.neighbours import Pairs

FIRST = Weights(slope=1.0, intercept=0.25, disagreement=3.0, common=0.0)
FEW = Weights(slope=1.25, intercept=0.5, disagreement=1.75, common=-1.5)
MANY = Weights(slope=0.75, intercept=0.25, disagreement=0.5, common=2.0)
HOW = Crowding(FIRST, FEW, MANY, look_alikes=0.75, clear=0.5)
TEXTS = 6
ALL = [(i, j) for j in range(TEXTS) for i in range(j)]
some_pairs = st.dictionaries(st.sampled_from(ALL), st.integers(0, 10**6).map(lambda k: k / 10**6), min_size=1)


def as_arrays(probability: dict[tuple[int, int], float]) -> tuple[Pairs, np.ndarray]:
    first, second = (np.array(side, np.int32) for side in zip(*probability, strict=True))
    return Pairs(first, second, np.zeros(len(first), np.float32)), np.array(list(probability.values()))


def by_hand(probability: dict[tuple[int, int], float], pair: tuple[int, int]) -> tuple[float, float]:
    """The disagreement of one pair and what its texts have in common, text by text."""

    def p(i: int, k: int) -> float:
        found = probability.get((min(i, k), max(i, k)), 0.0)
        return found if COUNTED <= found < 1 else 0.0

    i, j = pair
    both = [(p(i, k), p(j, k)) for k in range(TEXTS) if k not in pair]
    return sum(abs(a - b) for a, b in both) / (1 + sum(a + b for a, b in both)), sum(min(a, b) for a, b in both)


@given(some_pairs)
def test_what_others_tell_is_the_formula_pair_by_pair(probability):
    disagreement, common = others(*as_arrays(probability), TEXTS)
    expected = [by_hand(probability, pair) for pair in probability]
    assert disagreement.tolist() == pytest.approx([each for each, _ in expected], abs=1e-9)
    assert common.tolist() == pytest.approx([each for _, each in expected], abs=1e-9)


@given(some_pairs)
def test_pairs_that_are_no_candidates_are_compared_by_the_candidates(probability):
    missing = [pair for pair in ALL if pair not in probability]
    if missing:
        beside, _ = as_arrays(dict.fromkeys(missing, 0.5))
        disagreement, common = others(*as_arrays(probability), TEXTS, beside)
        found = list(zip(disagreement.tolist(), common.tolist(), strict=True))
        assert np.array(found) == pytest.approx(np.array([by_hand(probability, pair) for pair in missing]), abs=1e-9)


@given(some_pairs)
def test_density_counts_triples_of_likely_duplicates(probability):
    likely = {pair for pair, p in probability.items() if LIKELY <= p < 1}
    closed = sum(
        {(i, j), (i, k), (j, k)} <= likely for k in range(TEXTS) for j in range(k) for i in range(j)
    )  # a triangle is a closed triple of each of its three texts
    assert density(*as_arrays(probability), TEXTS) == pytest.approx(min(1.0, log(1 + 5 * 3 * closed / TEXTS) / log(11)))


@given(some_pairs)
def test_how_alone_a_pair_is_is_the_formula_pair_by_pair(probability):
    """One over one plus the probabilities of all other pairs of its two texts, without those that do not count."""
    found = others(*as_arrays(probability), TEXTS).alone
    counted = {pair: p for pair, p in probability.items() if COUNTED <= p < 1}
    crowd = [sum(p for pair, p in counted.items() for k in own if k in pair and pair != own) for own in probability]
    assert found.tolist() == pytest.approx([1 / (1 + one) for one in crowd])


@given(st.floats(0.001, 0.999), st.floats(0, 0.99), st.floats(0, 9), st.floats(0, 1), st.floats(-4, 4))
def test_the_correction_is_the_formula(p, differing, common, dense, apart):
    def between(name: str) -> float:
        return (1 - dense) * getattr(FEW, name) + dense * getattr(MANY, name)

    told = between("common") * log(1 + common) - between("disagreement") * differing
    told += 0.75 * apart if apart < 0 else 0.5 * apart * (1 - differing) / (1 + 2 * common)
    expected = 1 / (1 + exp(-(between("slope") * log(p / (1 - p)) + between("intercept") + told)))
    (found,) = HOW.corrected(np.array([p]), alone(differing, common), Traits(dense, apart))
    assert found == pytest.approx(expected if p >= RAISED else min(p, expected), abs=1e-6)
    certain = HOW.corrected(np.array([0.0, 1.0]), alone(*[[differing] * 2, [common] * 2]), Traits(dense, apart))
    assert certain.tolist() == [0.0, 1.0]


def alone(differing, common) -> Others:
    return Others(np.atleast_1d(np.array(differing, float)), np.atleast_1d(np.array(common, float)))


@given(some_pairs)
def test_the_traits_of_a_table_are_those_of_its_pairs_after_each_correction(probability):
    pairs, p = as_arrays(probability)
    told = others(pairs, p, TEXTS)
    first = Crowding(FIRST, FIRST, FIRST, 0.0, 0.0).corrected(p, told, Traits(0.0, 0.0))
    dense = density(pairs, first, TEXTS)
    second = HOW.corrected(p, told, Traits(dense, 0.0))
    assert HOW.traits(pairs, p, told, TEXTS) == Traits(dense, separation(second))


@given(some_pairs)
def test_separation_is_the_formula(probability):
    likely = sum(LIKELY <= p < 1 for p in probability.values())
    doubtful = sum(DOUBTFUL <= p < LIKELY for p in probability.values())
    ratio, error = (likely + 2) / (doubtful + 20), sqrt(1 / (likely + 2) + 1 / (doubtful + 20))
    clear = max(0, min(log(ratio / CLEAR) - 2 * error, log(MOST / CLEAR)))
    expected = clear if ratio > CLEAR else log(max(ratio, FEWEST) / CLEAR)
    assert separation(as_arrays(probability)[1]) == pytest.approx(expected)


def test_a_table_of_look_alikes_is_lowered_as_a_whole():
    """Exponentially fewer pairs the higher the probability, against many likely pairs and as many next to impossible."""
    look_alikes = np.repeat([0.06, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8], [640, 320, 160, 80, 60, 30, 15])
    apart = np.repeat([0.06, 0.9], [200, 200])
    assert separation(look_alikes) < -0.7
    assert separation(apart) > 0.5
    told = alone(np.zeros(len(look_alikes)), np.zeros(len(look_alikes)))
    lowered, same = (HOW.corrected(look_alikes, told, Traits(0.0, x)) for x in (separation(look_alikes), 0.0))
    assert (lowered < same).all()


@pytest.mark.parametrize(("likely", "doubtful", "shown"), [(7, 1, False), (70, 10, True), (30, 110, False), (300, 1100, True)])
def test_few_pairs_do_not_show_that_duplicates_stand_apart(likely, doubtful, shown):
    assert (separation(np.repeat([0.9, 0.2], [likely, doubtful])) > 0) == shown


def test_where_duplicates_stand_apart_a_pair_that_is_alone_is_raised_and_one_among_many_hardly():
    alone_and_not = alone([0.0, 0.0, 0.9], [0.0, 20.0, 0.0])
    p = np.full(3, 0.2)
    raised, same = (HOW.corrected(p, alone_and_not, Traits(0.0, x)) for x in (0.9, 0.0))
    gain = raised - same
    assert gain[0] > 0.05 and 0 <= gain[1] < gain[0] / 5 and 0 <= gain[2] < gain[0] / 5


@given(some_pairs, st.data(), st.sampled_from([-0.6, 0.0, 0.8]))
def test_pairs_that_are_not_raised_are_corrected_as_if_nothing_stood_apart(probability, data, apart):
    pairs, p = as_arrays(probability)
    told = others(pairs, p, TEXTS)
    not_raised = np.array([data.draw(st.booleans()) for _ in p])
    found, raised, lowered = (
        HOW.corrected(p, told, Traits(0.5, x), some)
        for x, some in ((apart, not_raised), (apart, None), (min(apart, 0.0), None))
    )
    assert found.tolist() == np.where(not_raised, lowered, raised).tolist()


@given(some_pairs, st.sampled_from(ALL), st.floats(LIKELY, 0.99))
def test_a_pair_more_that_is_likely_never_lowers_the_separation(probability, pair, p):
    less = {other: q for other, q in probability.items() if other != pair}
    if less:
        assert separation(as_arrays({**less, pair: p})[1]) >= separation(as_arrays(less)[1])


def by_pair(probability: dict[tuple[int, int], float]) -> dict[tuple[int, int], tuple[float, float]]:
    told = others(*as_arrays(probability), TEXTS)
    return dict(zip(probability, zip(*(part.tolist() for part in told), strict=True), strict=True))


@given(some_pairs, st.randoms())
def test_no_order_of_the_pairs_changes_a_bit(probability, random):
    items = list(probability.items())
    random.shuffle(items)
    assert by_pair(dict(items)) == by_pair(probability)
    assert density(*as_arrays(dict(items)), TEXTS) == density(*as_arrays(probability), TEXTS)


@given(some_pairs)
def test_pairs_below_what_counts_may_be_missing(probability):
    kept = {pair: p for pair, p in probability.items() if p >= COUNTED}
    if kept:
        every = by_pair(probability)
        assert by_pair(kept) == {pair: every[pair] for pair in kept}
        assert density(*as_arrays(kept), TEXTS) == density(*as_arrays(probability), TEXTS)


def test_members_of_one_group_agree_and_links_of_a_chain_do_not():
    group = others(*as_arrays(dict.fromkeys(ALL, 0.6)), TEXTS)
    chain = others(*as_arrays({(k, k + 1): 0.6 for k in range(TEXTS - 1)}), TEXTS)
    np.testing.assert_array_equal(group.disagreement, 0.0)
    assert group.common.tolist() == pytest.approx([0.6 * (TEXTS - 2)] * len(ALL))
    assert chain.disagreement[1:-1].tolist() == pytest.approx(3 * [1.2 / 2.2])
    np.testing.assert_array_equal(chain.common, 0.0)
    assert others(*as_arrays({(0, 1): 0.6}), TEXTS).disagreement.tolist() == [0.0]


def test_a_pair_of_a_large_group_gains_where_groups_are_large_and_loses_where_they_are_not():
    told = alone([0.0], [4.0])
    many, few = (HOW.corrected(np.array([0.3]), told, Traits(dense, 0.0)) for dense in (1.0, 0.0))
    assert many > 0.3 > few


def test_hundreds_of_others_are_estimated_from_a_part_of_them():
    rng, n, wide = np.random.default_rng(0), 3002, 1200
    of_first, of_second = set(range(2, 2 + wide)), set(range(2 + wide // 2, 2 + wide + wide // 2))
    probability = {(0, 1): 0.5}
    probability |= {(0, k): round(float(rng.uniform(0.2, 0.9)), 6) for k in of_first}
    probability |= {(1, k): probability.get((0, k), 0.7) for k in of_second}
    ordered = dict(sorted(probability.items()))
    told, total = others(*as_arrays(ordered), n), sum(probability.values()) - 0.5
    differing = sum(probability[0, k] for k in of_first - of_second) + sum(probability[1, k] for k in of_second - of_first)
    assert told.disagreement[0] == pytest.approx(differing / (1 + total), rel=0.15)
    assert told.common[0] == pytest.approx((total - differing) / 2, rel=0.15)
    same = {(0, 1): 0.5} | {(j, k): 0.6 for j in (0, 1) for k in of_first}
    told = others(*as_arrays(dict(sorted(same.items()))), n)
    assert told.disagreement[0] == 0.0
    assert told.common[0] == pytest.approx(0.6 * wide)


@pytest.mark.parametrize("how", [HOW, built_in().crowding, sentence_score().crowding])
def test_weights_are_saved_as_they_are(how: Crowding):
    assert crowding_from_dict(crowding_to_dict(how)) == how
    assert all(weights.slope > 0 and weights.disagreement >= 0 for weights in (how.first, how.few, how.many))
    assert how.look_alikes >= 0 and how.clear >= 0
    assert how.first.common == 0 and how.few.common < how.many.common
