import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.features import NAMES
from dlcli.core.text.tokens import fold
from dlcli.core.text.why import KINDS, LEXICAL, match_kind, match_kinds, why


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Learn Python in 2023", "learn python in 2024!", "2023 / 2024; same: learn, python, in"),
        ("Is it good?", "Is it not good", "- / not; same: is, it, good"),
        ("Paris London", "london PARIS", "no word differs; same: paris, london"),
        ("cat", "dog", "cat / dog; no word in common"),
        ("", "?", "no word differs; no word in common"),
        ("the a b of c d e 7", "x", "b, c, d, 7, +4 / x; no word in common"),
        ("and/or", "and or", "no word differs; same: and, or"),
    ],
)
def test_why(a, b, expected):
    assert why(a, b) == expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_swapping_the_texts_swaps_what_differs(a, b):
    differing, other = why(a, b).split("; ")[0], why(b, a).split("; ")[0]
    if " / " not in differing:
        assert differing == other
    elif differing.count(" / ") == 1 and "/" not in differing.replace(" / ", ""):
        assert differing.split(" / ") == other.split(" / ")[::-1]


def test_kinds_of_match():
    assert match_kind("How?", "How?", 1.0) == "exact"
    assert match_kind("How?", "how", 0.0) == "folded"
    assert match_kind("how now", "how so", LEXICAL) == "lexical"
    assert match_kind("how now", "how so", LEXICAL - 1e-6) == "semantic"


@given(st.text(max_size=8), st.text(max_size=8), st.floats(0, 1))
def test_a_kind_is_known_and_folding_decides_before_likeness(a, b, overlap):
    kind = match_kind(a, b, overlap)
    assert kind in KINDS
    assert (kind in ("exact", "folded")) == (fold(a) == fold(b))


def test_kinds_of_many_pairs_take_the_overlap_from_the_features():
    features = np.zeros((2, len(NAMES)))
    features[:, NAMES.index("trigram_overlap")] = 0.9, 0.1
    assert match_kinds([("a b", "a c"), ("a b", "c d")], features) == ["lexical", "semantic"]
