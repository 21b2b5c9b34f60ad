import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.tokens import fold_all, ngrams, words
from dlcli.core.text.vectors import VECTORS, candidate_cosine, check_vectors, make_vectors
from dlcli.core.text.vectors.encoders import tfidf
from dlcli.support.errors import InputError, UsageError

QUESTIONS = [
    "How do I learn C++ in 2024?",
    "How do I learn C# in 2023?",
    "Is it on/off, or on?",
    "is is is it it",
    "a",
    "東京 から",
    "What's $5 in €, at 3.5% of 100?",
]
KEYS = fold_all(QUESTIONS)
some_keys = st.lists(st.text(alphabet="ab c", min_size=1, max_size=12), min_size=1, max_size=8).map(
    lambda texts: sorted({key for key in fold_all(texts) if key}) or ["a"]
)


def words_of(key):
    return [word for piece in key.split() for word in words(piece)]


def trigrams_of(key):
    return [trigram for piece in key.split() for trigram in ngrams(piece, 3, 3)]


def cosines(keys, cut):
    """The TF-IDF cosine of each text with each, from sets, one pair at a time."""
    sets = [set(cut(key)) for key in keys]
    frequency = Counter(thing for each in sets for thing in each)
    square = {thing: (math.log((1 + len(keys)) / (1 + count)) + 1) ** 2 for thing, count in frequency.items()}

    def product(a, b):
        return sum(square[thing] for thing in a & b)

    return np.array([[product(a, b) / math.sqrt(product(a, a) * product(b, b)) for b in sets] for a in sets])


@pytest.mark.peers
def test_products_are_the_weighted_mean_of_two_cosines_of_scikit_learn():
    from sklearn.feature_extraction.text import TfidfVectorizer

    by_word = TfidfVectorizer(analyzer=words_of, binary=True).fit_transform(KEYS)
    by_ngram = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), binary=True, lowercase=False).fit_transform(KEYS)
    mean = tfidf.WORD_SHARE * (by_word @ by_word.T) + (1 - tfidf.WORD_SHARE) * (by_ngram @ by_ngram.T)
    matrix = tfidf.vectors(KEYS)
    np.testing.assert_allclose((matrix @ matrix.T).toarray(), mean.toarray(), atol=1e-6)


@given(some_keys)
def test_rows_have_length_one_and_products_are_the_weighted_mean_of_two_cosines(keys):
    matrix = tfidf.vectors(keys)
    mean = 0.2 * cosines(keys, words_of) + 0.8 * cosines(keys, trigrams_of)
    np.testing.assert_allclose((matrix @ matrix.T).toarray(), mean, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(matrix.toarray(), axis=1), 1, atol=1e-5)


@given(some_keys)
def test_features_go_from_rare_to_common_and_so_does_each_row(keys):
    matrix = tfidf.vectors(keys)
    assert (np.diff((matrix.toarray() > 0).sum(axis=0)) >= 0).all()
    assert all((np.diff(matrix.indices[start:stop]) > 0).all() for start, stop in pairwise(matrix.indptr))


@settings(max_examples=25)
@given(some_keys, st.randoms())
def test_the_order_of_the_texts_makes_no_difference(keys, random):
    order = list(range(len(keys)))
    random.shuffle(order)
    one = tfidf.vectors(keys)
    other = tfidf.vectors([keys[k] for k in order])
    np.testing.assert_allclose((one @ one.T).toarray()[np.ix_(order, order)], (other @ other.T).toarray(), atol=1e-6)


def test_the_kinds_of_vectors():
    assert VECTORS.names() == ("sentence", "spacy", "static", "tfidf", "word2vec")
    with pytest.raises(UsageError, match="'word3vec'"):
        check_vectors("word3vec")
    with pytest.raises(UsageError, match="tfidf takes no ':3'"):
        check_vectors("tfidf:3")
    with pytest.raises(UsageError, match="needs the name"):
        check_vectors("spacy")


TABLE = {"cat": (1, 0, 0), "dog": (0, 2, 0), "Paris": (0, 0, 3), "NASA": (1, 1, 0), "what": (0, 1, 1)}


@pytest.fixture(scope="module")
def spacy_folder(tmp_path_factory):
    import spacy

    model = spacy.blank("en")
    for word, vector in TABLE.items():
        model.vocab.set_vector(word, np.array(vector, np.float32))
    folder = tmp_path_factory.mktemp("spacy") / "model"
    model.to_disk(folder)
    return folder


def test_spacy_vectors_are_means_weighted_by_rarity(spacy_folder):
    keys = ["cat dog", "cat cat paris", "nasa", "what's", "unheard of"]
    found = make_vectors(f"spacy:{spacy_folder}", keys)
    common, rare = np.log(6 / 3) + 1, np.log(6 / 2) + 1  # five texts; cat is in two of them, all other words in one
    expected = np.array(
        [
            common * np.array(TABLE["cat"]) + rare * np.array(TABLE["dog"]),
            common * np.array(TABLE["cat"]) + rare * np.array(TABLE["Paris"]),
            TABLE["NASA"],
            TABLE["what"],
            (0, 0, 0),
        ],
        dtype=float,
    )
    expected[:4] /= np.linalg.norm(expected[:4], axis=1, keepdims=True)
    assert found.dtype == np.float32
    assert not sp.issparse(found)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_installed_package_is_read_and_its_code_is_not_run(spacy_folder, tmp_path, monkeypatch):
    package = tmp_path / "some_vectors"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "some_vectors-1.0").symlink_to(spacy_folder)
    monkeypatch.syspath_prepend(tmp_path)
    found = make_vectors("spacy:some_vectors", ["paris", "nasa"])
    np.testing.assert_allclose(found, [(0, 0, 1), (0.5**0.5, 0.5**0.5, 0)], atol=1e-6)


def test_spacy_without_vectors_or_package_suggests_a_download(tmp_path):
    import spacy

    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(InputError, match="has no word vectors") as error:
        make_vectors(f"spacy:{tmp_path / 'blank'}", ["a"])
    assert error.value.hint == "python -m spacy download en_core_web_md"
    for name in ("no_such_package", "no-such/folder"):
        with pytest.raises(InputError, match=f"'{name}' is installed") as error:
            check_vectors(f"spacy:{name}")
        assert error.value.hint == "python -m spacy download en_core_web_md"


def test_a_broken_spacy_folder_is_refused(tmp_path):
    (tmp_path / "vocab").mkdir()
    (tmp_path / "vocab" / "vectors").write_bytes(b"no numpy file")
    with pytest.raises(InputError, match="is broken"):
        make_vectors(f"spacy:{tmp_path}", ["a"])


def test_every_kind_has_a_default_candidate_cosine():
    for name in VECTORS.names():
        assert 0 < candidate_cosine(f"{name}:anything") < 1
