"""Function words of Chinese, Japanese and Korean: one form for each, and no other character changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.scoring.east_asian_words import FUNCTION_WORDS, NEGATIONS, QUESTIONS, east_asian_words
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.rarity import count_words
from dlcli.core.text.scoring.word_forms import forms_of_run
from dlcli.core.text.tokens import IDEOGRAPH


def content(text: str) -> list[str]:
    return [word for word in forms_of_run(text) if word not in FUNCTION_WORDS]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("怎么骑马", "如何骑马"),
        ("怎样骑马", "怎麼骑马"),
        ("能不能骑马", "可不可以骑马"),
        ("是否可以骑马", "能骑马"),
        ("什么时候骑马", "何时骑马"),
        ("无法骑马", "不能骑马"),
        ("有没有马", "是否有马"),
        ("为什么骑马", "为何骑马"),
        ("馬に乗るにはどうすれば", "馬に乗るにはどうしたら"),
        ("어떻게", "어떡해"),
    ],
)
def test_words_that_mean_the_same_have_one_form(a, b):
    assert forms_of_run(a) == forms_of_run(b)


@pytest.mark.parametrize(
    ("a", "b"), [("能骑马", "不能骑马"), ("有马", "没有马"), ("何时骑马", "为何骑马"), ("哪里有马", "什么有马")]
)
def test_words_that_mean_something_else_stay_apart(a, b):
    assert forms_of_run(a) != forms_of_run(b)


@pytest.mark.parametrize("text", ["好不好吃", "去不去"])
def test_a_question_that_repeats_its_verb_has_it_once(text):
    assert forms_of_run(text).count(text[0]) == 1
    assert "不" not in forms_of_run(text)


def test_the_characters_of_the_subject_remain_and_in_their_order():
    assert content("请问怎么才能快一点骑马") == [*"才快一点骑马"]
    assert content("iPhone怎么充电") == ["iphone", *"充电"]


@given(st.lists(st.text(st.characters(whitelist_categories=["Ll", "Nd"], max_codepoint=0x17F), min_size=1), max_size=4))
def test_words_of_other_scripts_are_returned_as_they_are(words):
    assert east_asian_words(tuple(words)) == tuple(words)


@given(st.text(st.sampled_from("怎么样如何可以能不是否有没什时候马骑"), max_size=12))
def test_words_are_cut_in_the_same_way_whatever_stands_before_a_word_of_another_script(text):
    """Words of other scripts separate, so each side of one is cut by itself."""
    alone, both = east_asian_words(tuple(text)), east_asian_words((*text, "x", *text))
    assert both == (*alone, "x", *alone)


def test_negations_and_question_words_are_function_words_or_negate():
    assert QUESTIONS <= FUNCTION_WORDS
    assert not NEGATIONS & QUESTIONS
    assert all(IDEOGRAPH.match(word) for word in FUNCTION_WORDS | NEGATIONS)


def test_a_function_word_of_a_table_says_less_than_a_character_of_the_subject():
    texts = ["怎么骑马", "如何坐船", "能骑车吗"]
    rarity = built_in().rarity.of(["怎么", "骑"], count_words(texts))
    assert rarity[0] < rarity[1]
    alone = built_in().rarity.of(["怎么", "骑"])
    assert alone[0] < alone[1]
