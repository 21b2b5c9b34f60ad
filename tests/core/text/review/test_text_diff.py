from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.review.text_diff import DiffTokenizer
from dlcli.core.text.tokens import IDEOGRAPH, fold, words

TEXTS = st.text(st.one_of(st.sampled_from("ab Cé.,'-5²$/*\n\u2028\u200b漢字"), st.characters()), max_size=40)


@given(TEXTS)
def test_the_pieces_are_the_text(text):
    pieces, numbers = DiffTokenizer().tokenize(text)
    assert "".join(pieces) == text
    assert len(pieces) == len(numbers)
    assert all(not found for piece, found in zip(pieces, numbers, strict=True) if piece.isspace())


@given(TEXTS.filter(lambda text: not IDEOGRAPH.search(text)), TEXTS.filter(lambda text: not IDEOGRAPH.search(text)))
def test_words_are_equal_where_why_says_so(one, other):
    tokenizer = DiffTokenizer()
    a, b = ({number for found in tokenizer.tokenize(text)[1] for number in found} for text in (one, other))
    wanted_a, wanted_b = ({word for piece in fold(text).split() for word in words(piece)} for text in (one, other))
    assert (len(a), len(b), len(a & b)) == (len(wanted_a), len(wanted_b), len(wanted_a & wanted_b))


def test_case_and_punctuation_make_no_difference_and_ideographs_stand_alone():
    tokenizer = DiffTokenizer()
    (_, one), (_, other) = tokenizer.tokenize("How, WHY?"), tokenizer.tokenize("how why!")
    assert one == other == [[0], [], [1]]
    assert tokenizer.tokenize("学德语?")[0] == ["学", "德", "语", "?"]
