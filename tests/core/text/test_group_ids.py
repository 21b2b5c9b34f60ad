import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.group_ids import carry_group_ids, group_id

IDS = ["a" * 12, "b" * 12, "c" * 12]


def carried(before, canonical, keys=None):
    keys = keys or [f"key {k}" for k in range(len(before))]
    names, group, log = carry_group_ids(IDS, np.array(before, np.int32), np.array(canonical), keys)
    return [names[k] for k in group], log


def test_a_group_that_grows_keeps_its_id_though_another_text_is_canonical():
    assert carried([0, 0, -1], [2, 2, 2]) == ([IDS[0]] * 3, [])


def test_the_older_of_two_ids_stays_and_the_merge_is_logged():
    named, log = carried([1, 0, -1], [0, 0, 0])
    assert named == [IDS[0]] * 3
    assert log == [{"event": "merged", "group": IDS[1], "into": IDS[0]}]


def test_most_of_a_group_that_parts_keep_its_id():
    named, log = carried([0, 0, 0], [0, 1, 1])
    assert named == [group_id("key 0"), IDS[0], IDS[0]]
    assert log == [{"event": "split", "group": IDS[0], "into": group_id("key 0")}]


def test_no_id_is_given_twice_even_if_its_group_is_gone():
    names, group, _ = carry_group_ids([group_id("k")], np.array([-1], np.int32), np.array([0]), ["k"])
    assert names[group[0]] != group_id("k")


@given(st.data())
def test_groups_and_ids_go_together_one_to_one(data):
    n = data.draw(st.integers(1, 12))
    before = data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n))
    canonical = data.draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n))
    named, _ = carried(before, canonical)
    assert len(set(named)) == len(set(canonical)) == len(set(zip(named, canonical, strict=True)))
    for old in set(before) - {-1}:  # a group that stays exactly as it was keeps its id
        members = {k for k in range(n) if before[k] == old}
        if any(members == {k for k in range(n) if canonical[k] == c} for c in set(canonical)):
            assert {named[k] for k in members} == {IDS[old]}
