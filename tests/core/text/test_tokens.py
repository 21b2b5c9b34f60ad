import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.tokens import fold, fold_all, ngrams, words

texts = st.text(max_size=40) | st.text(alphabet="aB1.,:'-–’?! $%+#²Å\u0301\u200b/ ", max_size=30)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I exit Vim?", "how do i  exit vim"),
        ("Why didn’t it work?", "Why didn't it work"),
        ("cafe\u0301", "CAFÉ"),  # two Unicode forms of one letter
        ("Ｆｕｌｌ　ｗｉｄｔｈ？", "full width"),
        ("Straße", "STRASSE"),
        ("e-mail, or not...", "e mail or not"),
        ('"quoted" (and not)', "quoted and not"),
        ("well\u00adknown\ufeff", "wellknown"),  # a soft hyphen and a byte order mark
        ("two\tlines\r\nhere", "two lines here"),
        ("−5 degrees", "-5 degrees"),
        ("¿Qué hora es?", "qué hora es"),
        ("كيف حالك؟", "كيف حالك"),
    ],
)
def test_texts_that_mean_the_same_have_one_key(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C++", "C"),
        ("C#", "C"),
        ("C++", "C#"),
        ("3.5", "35"),
        ("3.5", "3 5"),
        ("1,000", "1000 000"),
        ("10:30", "1030"),
        ("$5", "5"),
        ("$5", "€5"),
        ("50%", "50"),
        ("5²", "52"),
        ("-5", "5"),
        (".net", "net"),
        (".5", "5"),
        ("can't", "cant"),
        ("1/2", "12"),
        ("a+b", "a-b"),
        ("😀", "😢"),
        ("resume", "résumé"),
        ("हिन्दी", "हनद"),  # vowel signs are marks, not letters
    ],
)
def test_texts_that_differ_in_meaning_have_two_keys(one, other):
    assert fold(one) != fold(other)


@pytest.mark.parametrize("text", ["", " ", "?", "?!…", " - ", "\u200b", "\ufeff", "()", "\x00", "...\n"])
def test_nothing_but_punctuation_folds_to_nothing(text):
    assert fold(text) == ""


@given(texts)
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)


@given(st.lists(texts, max_size=5))
def test_folding_many_is_folding_each(many):
    assert fold_all(many) == [fold(text) for text in many]


@given(texts)
def test_a_key_has_single_spaces_only(text):
    assert fold(text) == " ".join(fold(text).split())


def test_words_are_cut_at_slashes_and_between_ideographs():
    assert words("and/or") == ["and", "or"]
    assert words("*have*") == ["have"]
    assert words("c++") == ["c++"]
    assert words("東京で") == ["東", "京", "で"]
    assert words("///") == ["///"]


def test_ngrams_of_a_short_and_of_a_longer_piece():
    assert ngrams("abc", 3, 3) == [" ab", "abc", "bc "]
    assert ngrams("a", 3, 4) == [" a "]
    assert ngrams("ab", 3, 5) == [" ab", "ab ", " ab "]
