import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.cut_texts import chosen_texts, open_texts, store_cut_texts
from dlcli.core.text.pieces import cut_at_blanks
from dlcli.core.text.scoring.features import pair_features
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.tokenized_texts import tokenize_texts
from dlcli.core.text.stored_texts import store_texts

TEXTS = [
    "How do I fix an LC-40LE830U?",
    "how do i fix an <b>LC 40LE830U</b> &amp; so on",
    "",
    "New York (NY) in 2024",
    "New York in 2023",
    "ein Straßenfest \ud800 ½",
    "<br>",
]


@given(st.lists(st.text("ab \n\u2003", max_size=9), max_size=9))
def test_pieces_are_what_is_between_blanks(texts):
    numbers, lengths, distinct = cut_at_blanks(texts)
    ends = np.cumsum([0, *lengths])
    found = [[distinct[k] for k in numbers[start:end]] for start, end in zip(ends, ends[1:], strict=False)]
    assert found == [text.split() for text in texts]
    assert distinct == [*dict.fromkeys(piece for text in texts for piece in text.split())]


@pytest.mark.parametrize("places", [[], [0], [1, 3], [2, 5, 6], [*range(len(TEXTS))]])
def test_cut_texts_have_the_features_of_the_strings(tmp_path, places):
    stored = pickle.loads(pickle.dumps(store_cut_texts(tmp_path / "texts", TEXTS)))  # noqa: S301
    assert [*stored] == TEXTS
    some, strings = chosen_texts(stored, np.array(places, np.int64)), [TEXTS[k] for k in places]
    assert [*some] == strings and some.take([*range(0, len(places), 2)]) == strings[::2]
    first, second = (side.ravel() for side in np.indices((len(places), len(places))))
    score = built_in()
    features = (
        pair_features(tokenize_texts(each, score.rarity, vectors=score.vectors), first, second) for each in (some, strings)
    )
    np.testing.assert_array_equal(*features)
    np.testing.assert_array_equal(score.score(some, first, second), score.score(strings, first, second))


def test_texts_without_words_are_stored(tmp_path):
    found = chosen_texts(store_cut_texts(tmp_path / "texts", ["", " \t"]), np.arange(2))
    assert found.runs().vocabulary == [] and found.runs().lists.ends.tolist() == [0, 0, 0]


def test_texts_that_are_not_cut_are_opened_and_chosen_as_strings(tmp_path):
    store_texts(tmp_path / "texts", TEXTS)
    assert chosen_texts(open_texts(tmp_path / "texts"), np.array([1, 4])) == [TEXTS[1], TEXTS[4]]
