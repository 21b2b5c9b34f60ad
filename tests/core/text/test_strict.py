"""Strict keys: blanks that separate nothing make no difference, everything else does."""

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.strict import differ_in_form_alone, spell_out, strict_keys
from dlcli.core.text.tokens import fold_all

CODE = st.text(st.sampled_from("ab1_ ()[],;+-<>=\"'.\u0301\u0915\u093f\n"), max_size=12)
SAME = [
    ("for(i=0;i<n;i++){s+=a[i];}", "for (i = 0; i < n; i++) { s += a[i]; }"),
    ("if(x>=5)\n\treturn a ;", "if (x >= 5) return a;"),
    ('f( "a b" )', 'f("a b")'),
    ('x  =  "a  b" ;', 'x="a  b";'),
    ("don't  do it, it's", "don't do it,it's"),
    ('say( "it\\"s  here" )', 'say("it\\"s  here")'),
    ("x = y", "x=y"),
    ("e\u0301 = 1", "\u00e9=1"),
]
OTHER = [
    *[("x >= 5", "x <= 5"), ("foo()", "foo[]"), ("!ready", "ready"), ("a.b", "a b"), ("Co2", "CO2"), ("x\u00b2", "x2")],
    *[
        ("a b", "ab"),
        ("> =", ">="),
        ("foo _bar", "foo_bar"),
        ("'a '", "'a'"),
        ('f("a b")', 'f("a  b")'),
        ("s = 'x ,y'", "s = 'x, y'"),
        ('t = r"a\tb"', 't = r"a b"'),
        ('"""one\ntwo"""', '"""one two"""'),
        ("`a\n  b`", "`a\n b`"),
        ("1.5", "15"),
        ("x^2", "x_2"),
        ("a\u200bb", "ab"),
    ],
    ("\u0915\u093f \u0915", "\u0915\u093f\u0915"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_blanks_that_separate_nothing_make_no_difference(one, other):
    assert len(set(strict_keys([one, other]))) == 1


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_has_a_meaning_does(one, other):
    assert len(set(strict_keys([one, other]))) == 2


@given(CODE)
def test_a_key_is_its_own_key_and_differs_in_blanks_alone(text):
    (key,) = strict_keys([text])
    assert strict_keys([key]) == [key]
    key = "".join(chr(ord(char) - 0xE000) if 0xE000 <= ord(char) < 0xE100 else char for char in key)
    assert "".join(key.split()) == "".join(unicodedata.normalize("NFC", text).split())
    # A blank between letters is never lost, nor is one made.
    letters = [part for part in unicodedata.normalize("NFC", text).split() if part]
    for before, after in pairwise(letters):
        if before[-1].isalnum() and after[0].isalnum():
            assert f"{before[-1]} {after[0]}" in " ".join(key.split())
    assert key.count(" ") <= text.count(" ") + text.count("\n")


@given(CODE, CODE)
def test_texts_with_one_strict_key_are_equal_when_spelled_out(one, other):
    if len(set(strict_keys([one, other]))) == 1:
        assert len(set(fold_all(spell_out([one, other])))) == 1
        assert not differ_in_form_alone([one, other], np.array([0]), np.array([1]))[0]


def test_each_mark_is_spelled_as_a_number_and_both_quotes_as_one():
    assert spell_out(["x>= -5", "f('a')"]) == ["x 9000062000061 9000045 5", "f 9000040 9000039 a 9000039 9000041"]
    assert spell_out(['f("a")']) == spell_out(["f('a')"])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        *[("f('a  b')", "f('a b')", True), ("f('a  b')", 'f( "a  b" )', False), ("g(a,  b)", "g(a, b)", False)],
        *[("x >= 5", "x <= 5", True), ("Co2", "CO2", True), ("a - b", "b - a", True), ("x_i", "x^i", True), ("()", "[]", True)],
        *[("x= -1", "x=-1", False), ("f('a')", 'f("a")', False), ("x >= 5", "x <= 6", False), ("a=b", "a =-b", True)],
        *[("return x", "returnx", True), ("0x1F", "0 x1F", True), ("x == 1", "x = = 1", True), ("i ++ j", "i + + j", True)],
        *[("a<b<c> >", "a<b<c>>", False), ("x=-1", "x = -1", False), ("x=&y", "x = &y", False)],
    ],
)
def test_other_case_marks_or_order_of_the_same_words_are_told_from_other_words(one, other, expected):
    assert differ_in_form_alone([one, other], np.array([0]), np.array([1])).tolist() == [expected]
