"""Units, numerals and signs: which words stand for one thing, and which never do."""

from itertools import combinations

import pytest

from dlcli.core.text.scoring.one_of_few import MEMBERS, differ_in_kind, is_one_of_few, same_member
from dlcli.core.text.scoring.word_forms import forms_of_run
from dlcli.core.text.scoring.word_lists import NUMBER_WORDS, ROMAN


def test_roman_numerals_are_those_of_the_rule():
    """A sign before a larger one is subtracted, any other is added."""
    value = {"i": 1, "v": 5, "x": 10}
    assert len(ROMAN) == 39
    for numeral, figures in ROMAN.items():
        signs = [value[sign] for sign in numeral]
        assert int(figures) == sum(-v if any(w > v for w in signs[k + 1 : k + 2]) else v for k, v in enumerate(signs))
        assert NUMBER_WORDS[numeral] == figures


def test_two_names_are_of_one_unit_or_of_two_units_of_a_dimension_or_neither():
    for a, b in combinations(MEMBERS, 2):
        assert same_member(a, b) == same_member(b, a)
        assert differ_in_kind(a, b) == differ_in_kind(b, a)
        assert not (same_member(a, b) and differ_in_kind(a, b))
        dimensions = [{dimension for dimension, _ in MEMBERS[word]} for word in (a, b)]
        if len(a) > 1 and dimensions[0] & dimensions[1]:
            assert same_member(a, b) or differ_in_kind(a, b)


def test_units_are_in_the_form_in_which_words_are_compared():
    assert [name for name in MEMBERS if forms_of_run(name) != (name,)] == []


@pytest.mark.parametrize(
    ("a", "b"), [("mg", "g"), ("i", "ii"), ("xiv", "xv"), ("≤", "≥"), ("$", "eur"), ("a", "b"), ("pounds", "euros"), ("c", "f")]
)
def test_two_things(a: str, b: str):
    assert differ_in_kind(a, b)


@pytest.mark.parametrize(
    ("a", "b"), [("mg", "days"), ("i", "me"), ("kg", "kilograms"), ("café", "cafe"), ("pound", "lb"), ("猫", "犬"), ("a", "i")]
)
def test_not_two_things_of_a_kind(a: str, b: str):
    assert not differ_in_kind(a, b)


def test_articles_pronouns_and_long_words_are_not_short_names():
    assert not any(map(is_one_of_few, ("o", "y", "me", "the", "猫", "7", "table")))
