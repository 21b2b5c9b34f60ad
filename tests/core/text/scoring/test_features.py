import subprocess
import sys
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.scoring.features import (
    FEATURES,
    FUNCTION_WORDS,
    NAMES,
    NEGATIONS,
    QUESTION_WORDS,
    Rarity,
    pair_features,
    tokenize_texts,
    word_hash,
)
from dlcli.core.text.tokens import fold, ngrams, words

UNSEEN = 7.0
KNOWN = {"how": 1.5, "the": 1.0, "is": 0.5, "cat": 5.0, "paris": 6.0}
HASHES = sorted((word_hash(word), value) for word, value in KNOWN.items())
RARITY = Rarity(np.array([h for h, _ in HASHES], np.int64), np.array([v for _, v in HASHES]), UNSEEN)

some_words = [
    "how",
    "How",
    "what",
    "the",
    "is",
    "isn't",
    "not",
    "cat",
    "cats",
    "Cat",
    "Paris",
    "C++",
    "and/or",
    "3",
    "2024",
    "?",
    "東京",
]
texts = st.lists(st.sampled_from(some_words), max_size=9).map(" ".join) | st.text(max_size=12)


def parts(text):
    """The words of a text in order, and those that are capitalised within it, by the definitions, one by one."""
    in_order, names = [], set()
    for place, run in enumerate(text.split()):
        found = [word for piece in fold(run).split() for word in words(piece)]
        first = next((char for char in run if char.isalnum()), "a")
        if place and first.isupper():
            names |= {word for word in found if word not in FUNCTION_WORDS}
        in_order += found
    return in_order, names


def rare(some):
    return sum(KNOWN.get(word, UNSEEN) for word in some)


def rarest(some):
    return max((KNOWN.get(word, UNSEEN) for word in some), default=0)


def share(part, whole, of_nothing=0):
    return part / whole if whole else of_nothing


def jaccard(a, b):
    return share(len(a & b), len(a | b), of_nothing=1)


def trigrams(some):
    """The rarity on each trigram of a set of words."""
    found = {}
    for word in some:
        grams = set(ngrams(word, 3, 3))
        for gram in grams:
            found[gram] = found.get(gram, 0) + KNOWN.get(word, UNSEEN) / len(grams)
    return found


def common_subsequence(a, b):
    """The textbook's table (Cormen et al., section 15.4)."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            best[i + 1][j + 1] = best[i][j] + 1 if left == right else max(best[i][j + 1], best[i + 1][j])
    return best[-1][-1]


def by_definition(text_a, text_b):
    """Every feature by its definition, with sets and loops."""
    (order_a, names_a), (order_b, names_b) = parts(text_a), parts(text_b)
    a, b = set(order_a), set(order_b)
    grams_a, grams_b = trigrams(a), trigrams(b)
    common = sum(min(grams_a[g], grams_b[g]) for g in grams_a.keys() & grams_b.keys())
    sums = sum(grams_a.values()), sum(grams_b.values())
    squares = [sqrt(sum(KNOWN.get(w, UNSEEN) ** 2 for w in some)) for some in (a, b, a & b)]
    cut = order_a[:48], order_b[:48]
    digits = {word for word in a | b if any(char.isdigit() for char in word)}
    return {
        "word_cosine": share(squares[2] ** 2, squares[0] * squares[1]),
        "word_containment": share(len(a & b), min(len(a), len(b))),
        "trigram_overlap": share(common, sum(sums) - common),
        "trigram_containment": share(common, min(sums)),
        "bigram_jaccard": jaccard(*(set(zip(o, o[1:], strict=False)) for o in (order_a, order_b))),
        "word_order": share(2 * common_subsequence(*cut), len(cut[0]) + len(cut[1])),
        "first_equal": bool(order_a and order_b and order_a[0] == order_b[0]),
        "last_equal": bool(order_a and order_b and order_a[-1] == order_b[-1]),
        "rarest_shared": rarest(a & b),
        "rarest_left_high": max(rarest(a - b), rarest(b - a)),
        "rarest_left_low": min(rarest(a - b), rarest(b - a)),
        "left_high": log(1 + max(rare(a - b), rare(b - a))),
        "numbers_shared": log(1 + len(digits & a & b)),
        "numbers_differing": log(1 + len(digits & (a ^ b))),
        "numbers_swapped": log(1 + min(len(digits & (a - b)), len(digits & (b - a)))),
        "names_shared": log(1 + max(len(names_a & b), len(names_b & a))),
        "names_differing": log(1 + len(names_a - b) + len(names_b - a)),
        "names_swapped": log(1 + min(len(names_a - b), len(names_b - a))),
        "negation_differs": bool(NEGATIONS & (a ^ b)),
        "question_words_jaccard": jaccard(a & QUESTION_WORDS, b & QUESTION_WORDS),
        "question_words_differing": log(1 + len(QUESTION_WORDS & (a ^ b))),
        "function_words_jaccard": jaccard(a & FUNCTION_WORDS, b & FUNCTION_WORDS),
        "length_ratio": share(min(len(order_a), len(order_b)), max(len(order_a), len(order_b))),
    }


def row(text_a, text_b):
    return pair_features(tokenize_texts([text_a, text_b], RARITY), np.array([0]), np.array([1]))[0]


@settings(max_examples=300)
@given(texts, texts)
def test_every_feature_is_what_its_definition_says(a, b):
    expected = by_definition(a, b)
    found = dict(zip(NAMES, row(a, b).tolist(), strict=True))
    assert found.keys() == expected.keys()
    for name in NAMES:
        assert found[name] == pytest.approx(float(expected[name]), abs=1e-5), name


@pytest.mark.parametrize("length", [46, 47, 48, 49, 60])
def test_only_the_first_48_words_are_looked_at_for_their_order(length):
    a, b = " ".join(f"w{k}" for k in range(length)), " ".join(f"w{k}" for k in [*range(40), *range(40, length)[::-1]])
    assert row(a, b)[NAMES.index("word_order")] == pytest.approx(by_definition(a, b)["word_order"], abs=1e-6)


@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_swapping_the_texts_and_having_others_beside_them_changes_nothing(many, data):
    places = st.lists(st.integers(0, len(many) - 1), min_size=8, max_size=8)
    first, second = (np.array(data.draw(places)) for _ in range(2))
    read = tokenize_texts(many, RARITY)
    found = pair_features(read, first, second)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pair_features(read, second, first), atol=1e-6)
    np.testing.assert_allclose(found, [row(many[i], many[j]) for i, j in zip(first, second, strict=True)], atol=1e-5)


def test_more_pairs_than_a_block_come_out_in_their_order():
    read = tokenize_texts([" ".join(["cat", "the", "3", "Paris"][:k]) for k in range(5)], RARITY)
    first, second = np.random.default_rng(0).integers(5, size=(2, 20_000))
    every = {(i, j): pair_features(read, np.array([i]), np.array([j]))[0] for i in range(5) for j in range(5)}
    expected = [every[i, j] for i, j in zip(first.tolist(), second.tolist(), strict=True)]
    np.testing.assert_allclose(pair_features(read, first, second), expected, atol=1e-6)


@pytest.mark.parametrize("many", [[], [""], ["?", " "]])
def test_nothing_to_compare(many):
    none = np.empty(0, np.int64)
    assert pair_features(tokenize_texts(many, RARITY), none, none).shape == (0, len(FEATURES))
    if many:
        both = np.zeros(1, np.int64)
        found = dict(zip(NAMES, pair_features(tokenize_texts(many, RARITY), both, both)[0], strict=True))
        assert (found["word_cosine"], found["trigram_overlap"], found["length_ratio"]) == (0, 0, 0)


def test_rarity_of_known_and_unknown_words():
    assert RARITY.of(["paris", "zebra", "is", "\ud800"]).tolist() == [6.0, UNSEEN, 0.5, UNSEEN]
    assert RARITY.of([]).shape == (0,)
    nothing = Rarity(np.empty(0, np.int64), np.empty(0), 2.0)
    assert nothing.of(["is"]).tolist() == [2.0]


def test_scoring_imports_neither_torch_nor_pandas_nor_scikit_learn():
    code = (
        "import sys; from dlcli.core.text.scoring.pair_score import built_in; import numpy as np; "
        "built_in().score(['a b', 'a c'], np.array([0]), np.array([1])); "
        "print(sorted({'torch', 'pandas', 'sklearn', 'spacy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
