import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.scoring.explanation import KINDS, LEXICAL, explain, explain_pairs, match_kinds
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.tokenized_texts import tokenize_texts


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Learn Python in 2023", "learn python in 2024!", "2023 / 2024; same: learn, python, in"),
        ("Is it good?", "Is it not good", "- / not; same: is, it, good"),
        ("Paris London", "london PARIS", "the order differs; same: paris, london"),
        ("cat", "dog", "cat / dog; no word in common"),
        ("", "?", "no word differs; no word in common"),
        ("the a b of c d e 7", "x", "b, c, d, 7, +4 / x; no word in common"),
        ("and/or", "and or", "no word differs; same: and, or"),
    ],
)
def test_why(a, b, expected):
    assert explain(a, b) == expected


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_reasons_are_why_of_each_pair(texts):
    first, second = (side.ravel() for side in np.indices((len(texts), len(texts))))
    expected = [explain(a, b) for a in texts for b in texts]
    assert explain_pairs(tokenize_texts(texts, built_in().rarity), first, second) == expected


@given(st.lists(st.lists(st.sampled_from("the 7 of a1 cat dog is x".split())).map(" ".join), min_size=1, max_size=5))
def test_many_words_are_cut_the_same_way(texts):
    first, second = (side.ravel() for side in np.indices((len(texts), len(texts))))
    expected = [explain(texts[a], texts[b]) for a, b in zip(first, second, strict=True)]
    assert explain_pairs(tokenize_texts(texts, built_in().rarity), first, second) == expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_swapping_the_texts_swaps_what_differs(a, b):
    differing, other = explain(a, b).split("; ")[0], explain(b, a).split("; ")[0]
    if " / " not in differing:
        assert differing == other
    elif differing.count(" / ") == 1 and "/" not in differing.replace(" / ", ""):
        assert differing.split(" / ") == other.split(" / ")[::-1]


def test_kinds_of_match():
    overlap = np.array([1.0, 0.0, 0.0, LEXICAL, LEXICAL - 1e-6])
    same_text, same_key, same_masked = (np.arange(5) < k for k in (1, 2, 3))
    assert tuple(match_kinds(same_text, same_key, same_masked, overlap)) == KINDS
    assert match_kinds(same_text[:0], same_key[:0], same_masked[:0], overlap[:0]) == []
