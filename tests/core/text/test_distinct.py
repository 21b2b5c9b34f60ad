import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.distinct import distinct
from dlcli.core.text.tokens import fold

some_texts = st.lists(st.sampled_from(["a b", "A b", "A B!", "c", "C?", "", "?", "b"]) | st.text(max_size=4), max_size=12)


@given(some_texts, st.data())
def test_each_row_has_the_number_of_its_key_and_each_key_the_first_row_of_highest_priority(texts, data):
    priority = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(texts), max_size=len(texts))), np.int64)
    found = distinct(texts, priority)
    assert found.keys == sorted({fold(text) for text in texts} - {""})
    assert [found.keys[k] if k >= 0 else "" for k in found.of_row] == [fold(text) for text in texts]
    for key, text, row, value in zip(found.keys, found.texts, found.row, found.priority, strict=True):
        rows = [k for k, other in enumerate(texts) if fold(other) == key]
        assert row == max(rows, key=lambda k: (priority[k], -k)) and value == priority[row]
        assert text in {texts[k] for k in rows} and fold(text) == key


@given(some_texts, st.randoms(use_true_random=False))
def test_texts_do_not_depend_on_the_order_of_the_rows(texts, random):
    shuffled = random.sample(texts, len(texts))
    assert (distinct(texts).keys, distinct(texts).texts) == (distinct(shuffled).keys, distinct(shuffled).texts)


def test_capitals_throughout_are_taken_only_if_there_is_nothing_else():
    assert distinct(["IS IT SO?", "Is it so?", "is it so"]).texts == ["Is it so?"]
    assert distinct(["IS IT SO?", "IS IT SO"]).texts == ["IS IT SO"]


def test_equal_priority_keeps_the_first_row_and_none_the_first_spelled_as_the_text():
    texts = ["B", "a", "b", "", "a"]
    assert distinct(texts, np.zeros(5, np.int64)).row.tolist() == [1, 0]
    assert distinct(texts).row.tolist() == [1, 2]
    assert distinct([texts[k] for k in distinct(texts).row]).texts == distinct(texts).texts
