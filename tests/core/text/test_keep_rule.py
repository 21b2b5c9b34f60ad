import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.distinct import distinct
from dlcli.core.text.keep_rule import canonical_order, degrees, row_priorities
from dlcli.core.text.search.neighbours import Pairs
from dlcli.support.errors import InputError

TEXTS = ["bb", "a", "dddd", "c", "a", "eeee"]
PAIRS = Pairs(np.array([0, 1, 1], np.int32), np.array([1, 2, 3], np.int32), np.ones(3, np.float32))


def ordered(rule, priority=None):
    found = distinct(TEXTS, priority)
    return [found.keys[k] for k in canonical_order(rule, found, PAIRS)]


def test_orders_and_their_ties():
    assert ordered("first", np.zeros(6, np.int64)) == ["bb", "a", "dddd", "c", "eeee"]
    assert ordered("longest") == ["dddd", "eeee", "bb", "a", "c"]
    assert ordered("central") == ["bb", "a", "c", "dddd", "eeee"]
    assert ordered("max", np.array([1, 2, 5, 5, 7, 1])) == ["a", "c", "dddd", "bb", "eeee"]


def test_degrees_count_both_ends():
    assert degrees(5, PAIRS).tolist() == [1, 3, 1, 1, 0]


@given(
    st.lists(st.none() | st.floats(-9, 9) | st.integers(-9, 9), min_size=1).filter(
        lambda cells: any(c is not None for c in cells)
    )
)
def test_numbers_are_compared_as_numbers_and_nothing_is_least(cells):
    priority = row_priorities(cells, table="t", column="c")
    values = [-np.inf if cell is None else float(cell) for cell in cells]
    for a in range(len(cells)):
        for b in range(len(cells)):
            assert (priority[a] > priority[b]) == (values[a] > values[b])


def test_text_is_compared_as_text_and_numbers_as_text_as_numbers():
    assert row_priorities(["2024-05-31", "", "2023-12-01", "2024-05-31"], table="t", column="c").tolist() == [2, 0, 1, 2]
    assert row_priorities(["9", "10", " ", "1e1"], table="t", column="c").tolist() == [1, 2, 0, 2]


def test_a_column_without_an_order_is_refused():
    with pytest.raises(InputError, match="t.csv: row 3, column 'c': 'n/a' is not a number, but other cells are"):
        row_priorities(["1", "", "n/a"], table="t.csv", column="c")
    with pytest.raises(InputError, match="t.csv: column 'c' is empty"):
        row_priorities(["", None, float("nan")], table="t.csv", column="c")
