"""Words that a text has in parts, and the letters of words, against their definitions."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.ragged import in_alphabetical_order, integer_encode
from dlcli.core.text.scoring.alignment import implied_words, word_shapes
from dlcli.core.text.scoring.similar_words import is_skeleton

FUNCTION = ("the", "of")
WORDS = st.sampled_from(
    [*"abc", "ab", "abc", "aab", "cabb", "abcabc", "abcabcb", "a1", "Δb", "Δba", "bΔ", "ʀa", *FUNCTION, "theab"]
)
TEXTS = st.lists(st.lists(WORDS, max_size=9), min_size=1, max_size=5)


def in_parts(text: Sequence[str], vocabulary: Sequence[str]) -> set[str]:
    """Two neighbours of letters that make a word, and initials of 3 to 6 content words one after another."""
    joined = {one + other for one, other in zip(text, text[1:], strict=False) if one.isalpha() and other.isalpha()}
    content = [word for word in text if word not in FUNCTION]
    initials = {
        "".join(word[0] for word in content[k : k + size]) for size in range(3, 7) for k in range(len(content) - size + 1)
    }
    named = {word for word in vocabulary if word.isascii() and word.isalpha() and word not in FUNCTION}
    return (joined & set(vocabulary)) | (initials & named)


@given(TEXTS)
def test_words_in_parts_are_those_of_the_definition(texts: list[list[str]]):
    words, vocabulary = in_alphabetical_order(*integer_encode(texts))
    found = implied_words(words, vocabulary, np.array([word not in FUNCTION for word in vocabulary], bool))
    assert set(found.data.tolist()) <= {1.0}
    for k, text in enumerate(texts):
        row = found.indices[found.indptr[k] : found.indptr[k + 1]]
        assert {vocabulary[word] for word in row} == in_parts(text, vocabulary)


@given(st.sets(st.text(st.characters(), min_size=1, max_size=9), max_size=8))
def test_shapes_are_equal_where_the_parts_of_words_are(words: set[str]):
    vocabulary = sorted(words)
    shapes = word_shapes(vocabulary, np.zeros((len(words), 1), np.float32), np.zeros(len(words)))
    for k, one in enumerate(vocabulary):
        assert {bit for bit in range(32) if int(shapes.letters[k]) >> bit & 1} == {ord(char) & 31 for char in one}
        for j, other in enumerate(vocabulary):
            assert (shapes.start[k] == shapes.start[j]) == (one[:3] == other[:3])
            assert (shapes.ends[k] == shapes.ends[j]) == (one[0] + one[-1] == other[0] + other[-1])
            consonants = is_skeleton(one) and shapes.ends[k] == shapes.ends[j]
            assert (shapes.skeleton[k] == shapes.ends[j]) == consonants
            assert (shapes.end[k] == shapes.end[j]) == (k == j or len(one) >= 4 <= len(other) and one[-4:] == other[-4:])
