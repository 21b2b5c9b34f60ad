from datetime import date, datetime
from decimal import Decimal

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


@given(st.lists(st.integers(10**18, 10**18 + 9), min_size=1), st.sampled_from([int, str, Decimal]))
def test_long_ids_are_compared_to_the_last_digit(ids, kind):
    ranks = row_priorities([kind(one) for one in ids], table="t", column="c")
    assert ranks.tolist() == [sorted(set(ids)).index(one) + 1 for one in ids]


def test_dates_are_compared_as_dates_and_numbers_in_quotes_as_numbers():
    assert row_priorities(["2024-05-31", "", "2023-12-01", "2024-05-31"], table="t", column="c").tolist() == [2, 0, 1, 2]
    assert row_priorities(["9", "10", " ", "1e1"], table="t", column="c").tolist() == [1, 2, 0, 2]
    for order in (
        ["2024-1-9", "2024/01/10", "2024.10.01"],
        ["2023-12", "2024-01-01", "2024-01"][:2],
        ["2024-05-31T23:00:00+02:00", "2024-05-31 22:00:00Z"],
        [datetime(2024, 5, 31, 9), datetime(2024, 5, 31, 10)],
        [date(2023, 9, 1), date(2023, 10, 1)],
    ):
        assert row_priorities(order, table="t", column="c").tolist() == list(range(1, len(order) + 1))


@given(st.lists(st.datetimes(), min_size=1, max_size=8))
def test_any_iso_dates_are_in_their_order(dates):
    ranks = row_priorities([one.isoformat() for one in dates], table="t", column="c")
    assert ranks.tolist() == [sorted(set(dates)).index(one) + 1 for one in dates]


@pytest.mark.parametrize(
    "cells", [["high", "low"], ["31.05.2024", "01.06.2024"], ["May 31, 2024"], ["2024-13-01"], ["2024-05-31 noon"]]
)
def test_what_is_neither_a_number_nor_a_date_is_refused(cells):
    with pytest.raises(InputError, match=f"t.csv: row 2, column 'c': '{cells[0]}' is neither a number nor a date") as caught:
        row_priorities(["", *cells], table="t.csv", column="c")
    assert "2024-05-31" in caught.value.hint


def test_kinds_are_not_mixed():
    with pytest.raises(InputError, match="row 2, column 'c': '7' is not a date, but other cells are"):
        row_priorities(["2024-05-31", "7"], table="t.csv", column="c")
    with pytest.raises(InputError, match="only some of its dates have a time zone"):
        row_priorities(["2024-05-31T10:00", "2024-05-31T10:00Z"], table="t.csv", column="c")


def test_a_column_without_an_order_is_refused():
    with pytest.raises(InputError, match="t.csv: row 3, column 'c': 'n/a' is not a number, but other cells are"):
        row_priorities(["1", "", "n/a"], table="t.csv", column="c")
    with pytest.raises(InputError, match="t.csv: column 'c' is empty"):
        row_priorities(["", None, float("nan")], table="t.csv", column="c")
