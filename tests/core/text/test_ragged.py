import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.ragged import Ragged, bigrams, compact_ids, integer_encode

WIDTH = 5
numbers = st.lists(st.lists(st.integers(0, WIDTH - 1), max_size=6), min_size=1, max_size=6)


def ragged(lists):
    ends = np.cumsum([0, *map(len, lists)])
    return Ragged(np.array([k for items in lists for k in items], np.int64), ends.astype(np.int64))


def lists_of(found):
    return [found.flat[a:b].tolist() for a, b in zip(found.ends[:-1], found.ends[1:], strict=True)]


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=5), max_size=6))
def test_things_get_numbers_in_the_order_in_which_they_come_up(lists):
    found, things = integer_encode(lists)
    assert [[things[k] for k in row] for row in lists_of(found)] == lists
    assert things == list(dict.fromkeys(thing for items in lists for thing in items))


@given(numbers, st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=WIDTH, max_size=WIDTH))
def test_then_replaces_each_number_by_its_list(lists, inner):
    assert lists_of(ragged(lists).expand(ragged(inner))) == [[m for k in items for m in inner[k]] for items in lists]


@given(numbers, st.integers(0, WIDTH))
def test_where_keeps_numbers_in_their_lists(lists, below):
    found = ragged(lists)
    assert lists_of(found.keep(found.flat < below)) == [[k for k in items if k < below] for items in lists]


@given(numbers)
def test_a_number_is_kept_where_it_first_occurs_in_its_list(lists):
    assert lists_of(ragged(lists).without_repeats()) == [[*dict.fromkeys(items)] for items in lists]


@given(numbers)
def test_ends_sets_and_windows(lists):
    found, rows = ragged(lists), np.arange(len(lists))[::-1]
    back = lists[::-1]
    assert found.lengths.tolist() == [len(items) for items in lists]
    assert found.end_of(rows, last=False).tolist() == [items[0] if items else -1 for items in back]
    assert found.end_of(rows, last=True).tolist() == [items[-1] if items else -1 for items in back]
    assert found.binary_matrix(WIDTH).toarray().tolist() == [[float(k in items) for k in range(WIDTH)] for items in lists]
    assert found.padded(rows, 3, -7).tolist() == [(items[:3] + [-7] * 3)[:3] for items in back]


@given(numbers)
def test_neighbours_are_the_pairs_side_by_side(lists):
    found = bigrams(ragged(lists), WIDTH)
    pairs = [list(zip(items, items[1:], strict=False)) for items in lists]
    assert [[divmod(pair, WIDTH) for pair in row] for row in lists_of(found)] == pairs


@given(st.lists(st.lists(st.integers(0, WIDTH - 1)), min_size=1, max_size=3))
def test_renumbered_arrays_say_the_same_with_the_numbers_that_are_there(lists):
    there, places = compact_ids(WIDTH, *(np.array(each, np.int64) for each in lists))
    assert there.tolist() == sorted({number for each in lists for number in each})
    assert [there[place].tolist() for place in places] == lists


@given(numbers)
def test_repeats_are_the_lists_that_have_a_number_twice(lists):
    assert ragged(lists).repeats.tolist() == [len(set(items)) < len(items) for items in lists]
