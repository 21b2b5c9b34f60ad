"""How copies of rows lower the probabilities of other pairs, against the formulas pair by pair."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.scoring.crowding import COUNTED
from dlcli.core.text.scoring.third_rows import third_row_odds, with_third_rows
from dlcli.core.text.search.neighbours import Pairs

TEXTS = 12
ALL = [(i, j) for j in range(TEXTS) for i in range(j)]
some_pairs = st.dictionaries(st.sampled_from(ALL), st.integers(0, 10**6).map(lambda k: k / 10**6), min_size=1)
some_rows = st.lists(st.sampled_from((1, 1, 1, 1, 2, 2, 3, 5)), min_size=TEXTS, max_size=TEXTS)


def as_arrays(probability: dict[tuple[int, int], float]) -> tuple[Pairs, np.ndarray]:
    first, second = (np.array(side, np.int32) for side in zip(*probability, strict=True))
    return Pairs(first, second, np.zeros(len(first), np.float32)), np.array(list(probability.values()))


def odds_by_hand(probability: dict[tuple[int, int], float], rows: list[int]) -> float:
    """Bayes' rule for "no text but a few stands in three rows" against "rows were copied", with the rate of the former."""
    one, two, three = (sum(number >= least for number in rows) for least in (1, 2, 3))
    copied = two / one
    rate = min(1.0, (three + 1) / (two * two / one + 1))
    if copied >= 0.5 or rate == 1:
        return 1.0
    chance = 1 - (1 - copied) ** 2
    repeated, rows_copied = 1 - 2 * copied, 2 * copied
    for pair, p in probability.items():
        if 0.8 <= p < 1:
            has_copy = any(rows[k] > 1 for k in pair)
            # Of the pairs that are wrong, 0.15 of all, as many have a copy as chance gives.
            repeated *= 0.15 * chance if has_copy else 1 - 0.15 * chance
            rows_copied *= chance if has_copy else 1 - chance
    return 1 - (1 - rate) * repeated / (repeated + rows_copied)


def lowered_by_hand(p: float, factor: float) -> float:
    return p if p in (0, 1) else round(1 / (1 + (1 - p) / p / factor), 6)


def by_hand(probability, rows, asked):
    odds = odds_by_hand(probability, rows)

    def of_copies(pair, p):
        return lowered_by_hand(p, odds ** sum(rows[k] > 1 for k in pair))

    first = {pair: of_copies(pair, p) for pair, p in probability.items()}
    found = []
    for pair, p in asked.items():
        others = [q for other, q in first.items() if other != pair and COUNTED <= q < 1 for k in pair if k in other]
        factor = np.prod([sqrt(1 - (1 - odds) * q) for q in others])
        found.append(lowered_by_hand(of_copies(pair, p), factor))
    return found


@given(some_pairs, some_rows)
def test_the_odds_are_the_formula(probability, rows):
    assert third_row_odds(*as_arrays(probability), np.array(rows)) == pytest.approx(odds_by_hand(probability, rows), rel=1e-9)


@given(some_pairs, some_rows)
def test_each_pair_is_lowered_by_the_copies_of_its_texts_and_by_their_other_pairs(probability, rows):
    found = with_third_rows(*as_arrays(probability), np.array(rows))
    assert found.tolist() == pytest.approx(by_hand(probability, rows, probability), abs=3e-6)


@given(some_pairs, some_rows)
def test_pairs_that_are_no_candidates_are_lowered_by_the_candidates(probability, rows):
    missing = dict.fromkeys((pair for pair in ALL if pair not in probability), 0.5)
    if missing:
        pairs, p = as_arrays(missing)
        found = with_third_rows(pairs, p, np.array(rows), as_arrays(probability))
        assert found.tolist() == pytest.approx(by_hand(probability, rows, missing), abs=3e-6)


@given(some_pairs, some_rows)
def test_no_probability_rises_and_what_is_certain_stays(probability, rows):
    pairs, p = as_arrays(probability)
    found = with_third_rows(pairs, p, np.array(rows))
    assert (found <= p).all()
    assert (found[p == 1] == 1).all()


@given(some_pairs, some_rows, st.randoms())
def test_no_order_of_the_pairs_changes_a_bit(probability, rows, random):
    items = list(probability.items())
    random.shuffle(items)
    plain, shuffled = (with_third_rows(*as_arrays(one), np.array(rows)).tolist() for one in (probability, dict(items)))
    assert dict(zip(probability, plain, strict=True)) == dict(zip(dict(items), shuffled, strict=True))


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("no copies", [1] * 400),
        ("one copy", [1] * 399 + [2]),
        ("as many further rows however many there are", np.random.default_rng(0).geometric(0.6, 400).tolist()),
        ("what is repeated is repeated often", [1] * 350 + [20] * 50),
        ("most rows twice, as in two exports of a list", [1] * 100 + [2] * 300),
        ("no texts", []),
    ],
)
def test_copies_that_tell_nothing_change_little(what, rows):
    none = Pairs(*(np.zeros(0, kind) for kind in (np.int32, np.int32, np.float32)))
    assert third_row_odds(none, np.zeros(0), np.array(rows, int)) > 0.9, what


def test_two_lists_without_duplicates_leave_no_room_for_a_third_row():
    """A tenth of 1,000 texts is in both lists. A text that has its copy is no duplicate of another one; others may be."""
    rows = np.array([2] * 100 + [1] * 900)
    certain = {(k, k + 1): 0.9 for k in range(200, 230, 2)}
    doubtful = {(0, 300): 0.6, (1, 2): 0.6, (400, 401): 0.6, (500, 501): 0.9, (500, 502): 0.5}
    pairs, p = as_arrays(certain | doubtful)
    found = dict(zip(certain | doubtful, with_third_rows(pairs, p, rows).tolist(), strict=True))
    assert found[0, 300] < 0.2 and found[1, 2] < 0.05
    assert all(found[pair] == 0.9 for pair in certain) and found[400, 401] == 0.6
    assert found[500, 502] < 0.35 < 0.8 < found[500, 501]


def test_likely_pairs_of_texts_that_have_copies_show_that_rows_were_copied():
    rows = np.array([2] * 100 + [1] * 300)
    apart = as_arrays({(k, k + 1): 0.9 for k in range(200, 230, 2)})
    as_chance_gives = as_arrays({(k, k + 1): 0.9 for k in range(0, 390, 26)} | {(k, 350 + k): 0.9 for k in range(4)})
    assert log(third_row_odds(*apart, rows)) < -3 < -0.1 < log(third_row_odds(*as_chance_gives, rows)) <= 0
