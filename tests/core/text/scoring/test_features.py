import subprocess
import sys
from collections import Counter
from itertools import combinations, permutations
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dlcli.core.text.scoring.alignment import _judge
from dlcli.core.text.scoring.features import FEATURES, NAMES, least_trigram_overlap, pair_features, trigram_overlap
from dlcli.core.text.scoring.one_of_few import differ_in_kind
from dlcli.core.text.scoring.rarity import Rarity, TableWords, count_words, word_hash
from dlcli.core.text.scoring.similar_words import MATCHED, similarity
from dlcli.core.text.scoring.tokenized_texts import tokenize_texts
from dlcli.core.text.scoring.word_forms import forms_of_run, without_markup
from dlcli.core.text.scoring.word_lists import FUNCTION_WORDS, NEGATIONS, NEUTRAL_WORDS, QUESTION_WORDS, are_opposite
from dlcli.core.text.scoring.word_vectors import WordVectors
from dlcli.core.text.tokens import IDEOGRAPH, ngrams

UNSEEN = 7.0
KNOWN = {
    "how": 1.5,
    "the": 1.0,
    "is": 0.5,
    "cat": 5.0,
    "paris": 6.0,
    "public": 4.0,
    "pubic": 6.5,
    "desert": 6.0,
    "dessert": 6.5,
}
HASHES = sorted((word_hash(word), value) for word, value in KNOWN.items())
VECTORS = WordVectors(
    np.array([h for h, _ in HASHES], np.int64), np.random.default_rng(0).normal(size=(len(HASHES), 3)).astype(np.float32)
)
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
    "東京に",
    "(see",
    "(3)",
    "paris)",
    "[the",
    "LC-40",
    "40-LC",
    "2024-3",
    "public",
    "pubic",
    "desert",
    "dessert",
]
texts = st.lists(st.sampled_from(some_words), max_size=9).map(" ".join) | st.text(max_size=12)


def parts(text):
    """The words of a text in order, and those that are capitalised within it, by the definitions, one by one."""
    in_order, names = [], set()
    for place, run in enumerate(without_markup(text).split()):
        found = list(forms_of_run(run))
        first = next((char for char in run if char.isalnum()), "a")
        if place and first.isupper():
            names |= {word for word in found if word not in FUNCTION_WORDS}
        in_order += found
    return in_order, names


def asides(text):
    """The words that are in brackets, run by run."""
    found, depth = set(), 0
    for run in without_markup(text).split():
        opened = sum(map(run.count, "([（"))
        if depth or run[0] in "([（":
            found |= set(forms_of_run(run))
        depth = max(0, depth + opened - sum(map(run.count, ")]）")))
    return found


def codes(text):
    """The words of each run that is several words, one of them with a digit, and none of a script without blanks."""
    runs = [forms_of_run(run) for run in without_markup(text).split()]
    return {words for words in runs if len(words) > 1 and any(map(has_digit, words)) and not any(map(IDEOGRAPH.match, words))}


def has_digit(word):
    return any(char.isdigit() for char in word)


def missing(text, order):
    """The codes of a text that are nowhere in the words of another text, in a row."""
    return [code for code in codes(text) if all(order[k : k + len(code)] != list(code) for k in range(len(order)))]


def weight(word):
    if IDEOGRAPH.match(word):
        return 1.5 if word in FUNCTION_WORDS else -log(0.02)
    return KNOWN.get(word, UNSEEN)


def rare(some):
    return sum(map(weight, some))


def rarest(some):
    return max(map(weight, some), default=0)


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
            found[gram] = found.get(gram, 0) + weight(word) / len(grams)
    return found


def common_subsequence(a, b):
    """The textbook's table (Cormen et al., section 15.4)."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            best[i + 1][j + 1] = best[i][j] + 1 if left == right else max(best[i][j + 1], best[i + 1][j])
    return best[-1][-1]


def exchanged(a, b):
    """Whether b is a with two parts of up to three words in each other's place, by trying all parts."""
    if a == b:
        return False
    for i, j in combinations(range(len(a) + 1), 2):
        for k, m in combinations(range(j, len(a) + 1), 2):
            before, x, middle, y, after = a[:i], a[i:j], a[j:k], a[k:m], a[m:]
            if max(len(x), len(y)) <= 3 and before + y + middle + x + after == b and set(middle) - NEUTRAL_WORDS:
                return True
    return False


def meaning(some):
    """The weighted mean vector of some words, of length 1; None if no word is known."""
    total = sum((VECTORS.of([word])[0].astype(float) * weight(word) for word in some), np.zeros(3))
    return total / np.linalg.norm(total) if np.linalg.norm(total) > 1e-6 else None


def cosine(a, b):
    a, b = meaning(a), meaning(b)
    return float("nan") if a is None or b is None else float(a @ b)


def known_share(some):
    return share(rare(some & KNOWN.keys()), rare(some))


def slip_share(a, b):
    """How much a slip counts between two words."""
    if not {a, b} <= KNOWN.keys() or abs(KNOWN[a] - KNOWN[b]) >= 2:
        return 1.0
    one, other = VECTORS.of([a, b]).astype(float)
    return round(min(1, max(0, (one @ other / np.linalg.norm(one) / np.linalg.norm(other) - 0.4) / 0.2)), 2)


def by_definition(text_a, text_b):
    """Every feature by its definition, with sets and loops, where no word is put together from others."""
    (order_a, names_a), (order_b, names_b) = parts(text_a), parts(text_b)
    a, b = set(order_a), set(order_b)
    grams_a, grams_b = trigrams(a), trigrams(b)
    common = sum(min(grams_a[g], grams_b[g]) for g in grams_a.keys() & grams_b.keys())
    sums = sum(grams_a.values()), sum(grams_b.values())
    squares = [sqrt(sum(weight(w) ** 2 for w in some)) for some in (a, b, a & b)]
    cut = order_a[:48], order_b[:48]
    digits = {word for word in a | b if has_digit(word)}
    codes_left = missing(text_a, order_b), missing(text_b, order_a)
    strength = {}
    for word, others in [*((word, b - a) for word in a - b), *((word, a - b) for word in b - a)]:
        strength[word] = max((similarity(word, other, slip_share(word, other)) for other in others), default=0)
    in_asides = [
        sum(weight(w) * (1 - strength[w]) for w in (some - other) & asides(text))
        for some, other, text in ((a, b, text_a), (b, a, text_b))
    ]
    free = [{word for word in some if strength[word] < MATCHED} for some in (a - b, b - a)]
    lost = [sum(weight(word) * (1 - strength[word]) for word in some) for some in (a - b, b - a)]
    matched = [1 - share(left, rare(some)) for left, some in zip(lost, (a, b), strict=True)]
    moved = sum((Counter(cut[0]) & Counter(cut[1])).values()) - common_subsequence(*cut)
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
        "words_moved": share(2 * moved, len(cut[0]) + len(cut[1])),
        "exchanged": exchanged([w for w in cut[0] if w in b], [w for w in cut[1] if w in a]),
        "weight_containment": share(rare(a & b), min(rare(a), rare(b))),
        "matched_high": max(matched),
        "matched_low": min(matched),
        "unmatched_high": log(1 + max(lost)),
        "unmatched_low": log(1 + min(lost)),
        "rarest_unmatched_high": max(map(rarest, free)),
        "rarest_unmatched_low": min(map(rarest, free)),
        "aside": share(sum(in_asides), sum(lost)),
        "aside_in_both": min(in_asides) > 0,
        "implied": False,
        "vector_cosine": cosine(a, b) if min(known_share(a), known_share(b)) >= 1 / 3 else float("nan"),
        "unmatched_cosine": cosine(*free),
        "known_share": min(known_share(a), known_share(b)),
        "opposite": any(are_opposite(word, other) or differ_in_kind(word, other) for word in a - b for other in b - a),
        "length": log(1 + min(len(order_a), len(order_b))),
        "numbers_shared": log(1 + len(digits & a & b)),
        "numbers_differing": log(1 + len(digits & (free[0] | free[1]))),
        "numbers_swapped": log(1 + max(min(len(digits & part) for part in free), min(map(len, codes_left)))),
        "codes_differing": log(1 + sum(map(len, codes_left))),
        "codes_swapped": log(1 + min(map(len, codes_left))),
        "codes_share": min(
            1, *(share(sum(rare(set(code)) for code in left), rare(own)) for left, own in zip(codes_left, (a, b), strict=True))
        ),
        "names_shared": log(1 + max(len(names_a & b), len(names_b & a))),
        "names_differing": log(1 + len(names_a - b) + len(names_b - a)),
        "names_swapped": log(1 + min(len(names_a - b), len(names_b - a))),
        "negation_differs": bool(NEGATIONS & a) != bool(NEGATIONS & b),
        "question_words_jaccard": jaccard(a & QUESTION_WORDS, b & QUESTION_WORDS),
        "question_words_differing": log(1 + len(QUESTION_WORDS & (a ^ b))),
        "function_words_jaccard": jaccard(a & FUNCTION_WORDS, b & FUNCTION_WORDS),
        "length_ratio": share(min(len(order_a), len(order_b)), max(len(order_a), len(order_b))),
    }


def row(text_a, text_b):
    read = tokenize_texts([text_a, text_b], RARITY, vectors=VECTORS)
    return pair_features(read, np.array([0]), np.array([1]))[0]


@settings(max_examples=300, deadline=None)
@given(texts, texts)
def test_every_feature_is_what_its_definition_says(a, b):
    expected = by_definition(a, b)
    found = dict(zip(NAMES, row(a, b).tolist(), strict=True))
    assert found.keys() == expected.keys()
    assume(not found["implied"])
    for name in NAMES:
        assert found[name] == pytest.approx(float(expected[name]), abs=1e-4, nan_ok=True), name


@settings(deadline=None)
@given(texts, texts)
def test_the_overlap_of_trigrams_is_bounded_by_that_of_words(a, b):
    read, ends = tokenize_texts([a, b], RARITY), (np.array([0]), np.array([1]))
    least, overlap = least_trigram_overlap(read, *ends)[0], trigram_overlap(read, *ends)[0]
    words = [set(parts(text)[0]) for text in (a, b)]
    rare = [sum(RARITY.of([*some]).tolist()) for some in (words[0] & words[1], words[0] | words[1])]
    assert least == pytest.approx(rare[0] / rare[1] if rare[1] else 0, abs=1e-5)
    assert least <= overlap + 1e-5
    assert overlap == pytest.approx(by_definition(a, b)["trigram_overlap"], abs=1e-4)


@pytest.mark.parametrize("length", [46, 47, 48, 49, 60])
def test_only_the_first_48_words_are_looked_at_for_their_order(length):
    words = [f"{first}{second}w" for first in "bcdfghjklm" for second in "aeiouyz"]
    a, b = " ".join(words[:length]), " ".join(words[:40] + words[40:length][::-1])
    assert row(a, b)[NAMES.index("word_order")] == pytest.approx(by_definition(a, b)["word_order"], abs=2e-5)


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_swapping_the_texts_and_having_others_beside_them_changes_nothing(many, data):
    places = st.lists(st.integers(0, len(many) - 1), min_size=8, max_size=8)
    first, second = (np.array(data.draw(places)) for _ in range(2))
    read = tokenize_texts(many, RARITY, vectors=VECTORS)
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


@pytest.mark.parametrize("words", ["pqrstu", "pqrsta", "pqpqrr", "ppaqqr"])
def test_exchanges_are_those_found_by_trying_all_parts(words):
    """Every order of six words, some of them repeated, beside the first one."""
    orders = sorted({" ".join(order) for order in permutations(words)})
    read = tokenize_texts([" ".join(words), *orders], RARITY)
    found = pair_features(read, np.zeros(len(orders), np.int64), np.arange(1, len(orders) + 1))[:, NAMES.index("exchanged")]
    assert found.tolist() == [exchanged([*words], order.split()) for order in orders]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("trains from Paris to Berlin", "trains from Berlin to Paris", 1),
        ("send New York the file from Santa Cruz now", "send Santa Cruz the file from New York now", 1),
        ("does a dog eat a cat", "does a cat eat a dog", 1),
        ("Ada Lovelace", "Lovelace Ada", 0),
        ("salt and pepper", "pepper and salt", 0),
        ("a process and a thread", "a thread and a process", 0),
        ("the old file is lost now", "now the old is lost file", 0),
        ("a b c d", "a b c d", 0),
    ],
)
def test_parts_that_change_places(a, b, expected):
    assert row(a, b)[NAMES.index("exchanged")] == row(b, a)[NAMES.index("exchanged")] == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("public", "pubic", 0.75),  # far rarer
        ("desert", "dessert", 0.0),  # two words
        ("theatre", "theater", 0.9),  # letters swapped
        ("flavour", "flavor", 0.9),  # one meaning
        ("berlin", "perlin", 0.45),  # between
        ("desert", "deserd", 0.9),  # not a word
    ],
)
def test_a_known_word_is_a_slip_only_for_a_far_more_frequent_one_or_one_of_its_meaning(a, b, expected):
    meaning = {
        "desert": (1, 0, 0),
        "dessert": (0.4, 0.84**0.5, 0),
        "flavour": (0, 0, 1),
        "flavor": (0, 0.8, 0.6),
        "berlin": (0, 1, 0),
        "perlin": (0, 0.5, 0.75**0.5),
        "theatre": (1, 0, 0),
        "theater": (0, 1, 0),
        "public": (1, 0, 0),
        "pubic": (0, 1, 0),
    }
    hashes, values = zip(*sorted((word_hash(word), vector) for word, vector in meaning.items()), strict=True)
    vectors = WordVectors(np.array(hashes, np.int64), np.array(values, np.float32))
    shapes = tokenize_texts([f"{a} {b}"], RARITY, vectors=vectors).shapes
    assert _judge(shapes, *(shapes.vocabulary.index(word) for word in (a, b))) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("call 030 1234567", "call 030/123 45 67", True),
        ("call (212) 555-0199", "call 212.555.0199", True),
        ("20240102 log", "2024-01-02 log", True),
        ("stock of 10 000", "stock of 10000", True),
        ("call 030 1234567", "call 030/123 45 76", False),
        ("flat 1 12345", "flat 11 2345", False),
        ("section 1 1", "section 11", False),
    ],
)
def test_numbers_that_are_cut_in_other_places_are_the_same_ones(a, b, same):
    found = dict(zip(NAMES, row(a, b).tolist(), strict=True))
    assert (found["numbers_differing"] == 0) is same


@pytest.mark.parametrize(
    ("a", "b", "opposite", "lost"),
    [
        ("tablets of 500 mg", "tablets of 500 g", True, True),
        ("tablets of 500 mg", "tablets of 500 milligrams", False, False),
        ("oven at 180°C", "oven at 180 °F", True, True),
        ("oven at 180°C", "oven at 180 c", False, False),
        ("trial of 6 days", "trial of 6 weeks", True, True),
        ("crusade I", "crusade II", True, True),
        ("crusade III", "crusade 3", False, False),
        ("show if p ≤ 3", "show if p ≥ 3", True, True),
        ("fee of €5", "fee of 5 euros", False, False),
        ("fee of €5", "fee of £5", True, True),
        ("hall A", "hall B", True, True),
        ("accept if p<0.05", "accept if p>0.05", True, True),
        ("accept if n>=5", "accept if n ≥ 5", False, False),
        ("accept if n>=5", "accept if n <= 5", True, True),
        ("sort List<String>", "sort List<Integer>", False, True),
        ("mail <jane@site.org>", "mail <rick@site.org>", False, True),
        ("a <b>bold</b> word", "a bold word", False, False),
        ("<body>", "<HTML lang=en>", False, True),
        ("weighs 1.000,50 kg", "weighs 1,000.50 kg", False, False),
        ("holds 2½ l", "holds 2.5 liters", False, False),
    ],
)
def test_units_signs_and_numerals_differ_unless_they_are_names_of_one_thing(a, b, opposite, lost):
    found = dict(zip(NAMES, row(a, b).tolist(), strict=True))
    assert found["opposite"] == opposite
    assert (found["rarest_unmatched_high"] > 0) is lost


@pytest.mark.parametrize(
    ("a", "b", "differing", "swapped"),
    [
        ("due 2024-01-02", "due 2024-02-01", 2, 1),
        ("due 2024-01-02", "due 2024 01 02", 0, 0),
        ("due 2024-01-02", "due 02.01.2024", 0, 0),
        ("due 2024-01-02", "due 02.02.2024", 2, 1),
        ("down 192.168.0.1", "down 192.168.1.0", 2, 1),
        ("tv LC-40LE830U", "tv LC40LE-830U", 0, 0),
        ("tv LC-40LE830U", "tv LC-40LE", 1, 0),
        ("4-methyl-(2-ethyl)benzene", "2-methyl-(4-ethyl)benzene", 2, 1),
        ("rel 03/12-4", "rel 03 124", 1, 0),
        ("tel 030/123-45", "tel 030123 45", 0, 0),
        ("no code 7 here", "no code 8 here", 0, 0),
        ("在2023年学习", "在2024年学习", 0, 0),
    ],
)
def test_codes_are_equal_where_their_words_are_in_the_same_order(a, b, differing, swapped):
    found = dict(zip(NAMES, row(a, b).tolist(), strict=True))
    assert found["codes_differing"] == pytest.approx(log(1 + differing), abs=1e-5)
    assert found["codes_swapped"] == pytest.approx(log(1 + swapped), abs=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "least", "most"),
    [
        ("corporation", "corp", 0.6, 0.8),  # cut before a vowel
        ("international", "int", 0.6, 0.8),
        ("chantilly", "cha", 0, 0.5),  # cut after a vowel
        ("chopstix", "chop", 0, 0.5),
        ("hypothesis", "thesis", 0, 0.5),
        ("felix", "felic", 0.6, 0.8),  # a slip in a short word may be another name
        ("felix", "fenix", 0.2, 0.4),  # l and n lie apart
        ("receive", "recieve", 0.85, 1),
        ("hotels", "hotel", 0.85, 1),
        ("bookings", "booking", 0.85, 1),
        ("aquavit", "aqua", 0, 0.5),
    ],
)
def test_how_well_one_word_stands_for_another(a, b, least, most):
    assert similarity(a, b, 1.0) == similarity(b, a, 1.0)
    assert least <= similarity(a, b, 1.0) <= most


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


def test_rarity_in_a_table_is_that_of_english_and_of_the_table_together():
    many = TableWords(1_000_000, 1_000_000, {"paris": 1_000_000, "zebra": 1})
    paris, zebra, cat = RARITY.of(["paris", "zebra", "cat"], many)
    assert paris == pytest.approx(0.05, abs=1e-3)  # in every row
    assert zebra > cat - 5 > 0
    none = RARITY.of(["paris", "zebra", "cat"], TableWords(0, 0, {}))
    np.testing.assert_allclose(none, RARITY.of(["paris", "zebra", "cat"]) + 0.05)
    # A function word says nothing where it is rare, in a table of names or in a language that the English words do not have.
    assert RARITY.of(["the", "der"], TableWords(9000, 9000, {"the": 1})).tolist() == [KNOWN["the"], 1.5]


def test_words_are_counted_once_a_text():
    assert count_words(["a a b", "A, c", ""]) == TableWords(3, 3, {"a": 2, "b": 1, "c": 1})
    assert count_words(["a", "b", "c d", "d"], step=2) == TableWords(4, 2, {"a": 1, "c": 1, "d": 1})


@pytest.mark.parametrize(
    ("a", "b"), [("IBM opens", "International Business Machines opens"), ("website down", "web site down"), ("log in", "login")]
)
def test_a_word_that_is_put_together_from_words_of_the_other_text(a, b):
    found = dict(zip(NAMES, row(a, b).tolist(), strict=True))
    assert found["implied"] == 1
    assert found["matched_low"] > 0.85
    assert row("IBM opens", "Indian Banks open")[NAMES.index("implied")] == 0


def test_scoring_imports_neither_torch_nor_pandas_nor_scikit_learn():
    code = (
        "import sys; from dlcli.core.text.scoring.pair_score import built_in; import numpy as np; "
        "built_in().score(['a b', 'a c'], np.array([0]), np.array([1])); "
        "print(sorted({'torch', 'pandas', 'sklearn', 'spacy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
