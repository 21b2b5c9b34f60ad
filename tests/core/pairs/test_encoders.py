"""Encoders give a text the same vector in whatever company, are kept without loss, and are TF-IDF means where they say so."""

from importlib.util import find_spec

import numpy as np
import pytest

from dlcli.core.pairs.encoders import fit_encoder, fit_rarity, load_encoder, word_vectors
from dlcli.core.text.vectors import make_vectors
from dlcli.support.errors import UsageError
from tests.core.pairs.synthetic_pairs import synthetic_pairs

KEYS = sorted({text.lower().rstrip("?") for text in synthetic_pairs(150).texts})
WORD2VEC = pytest.mark.skipif(
    find_spec("gensim") is None, reason="gensim (extra word2vec) is not installed; tfidf is tested instead"
)
SPECS = ["tfidf", pytest.param("word2vec:16", marks=WORD2VEC)]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("unit_length", [True, False])
def test_kept_and_read_it_is_the_same(spec: str, unit_length: bool):
    encoder = fit_encoder(spec, KEYS, unit_length=unit_length)
    again = load_encoder(spec, encoder.arrays(), unit_length=unit_length)
    others = ["how do i learn chess", "zyxwv never seen", "", KEYS[0]]
    rows = encoder.encode(others)
    np.testing.assert_array_equal(again.encode(others), rows)
    np.testing.assert_allclose(encoder.encode(others[:1]), rows[:1], rtol=1e-5, atol=1e-6)
    assert not rows[2].any()
    if unit_length:
        np.testing.assert_allclose(np.linalg.norm(rows[[0, 3]], axis=1), 1, rtol=1e-5)


def test_on_the_texts_themselves_word2vec_is_the_kind_of_vectors_of_that_name():
    pytest.importorskip("gensim")
    theirs = make_vectors("word2vec:16", KEYS)
    np.testing.assert_allclose(fit_encoder("word2vec:16", KEYS).encode(KEYS), theirs, rtol=0, atol=1e-4)


def test_hashing_keeps_cosines_about_where_they_were():
    """Signed hashing to w columns moves a dot product of unit vectors by about 1 / sqrt(w)."""
    exact = make_vectors("tfidf", KEYS)
    rows = fit_encoder("tfidf", KEYS).encode(KEYS)
    random = np.random.default_rng(0)
    a, b = random.integers(len(KEYS), size=(2, 500))
    theirs = np.asarray(exact[a].multiply(exact[b]).sum(axis=1)).ravel()
    assert np.corrcoef((rows[a] * rows[b]).sum(axis=1), theirs)[0, 1] > 0.9


def test_rarity_is_the_smoothed_formula():
    rarity = fit_rarity(["a b", "a c", "a a"])
    assert rarity.of(["a", "b", "zz"]).tolist() == pytest.approx([np.log(4 / 4) + 1, np.log(4 / 2) + 1, np.log(4) + 1])


def test_plain_means_weigh_words_alike():
    encoder = fit_encoder("tfidf", ["a b", "a"], weighted=False, unit_length=False)
    a, b, both = encoder.encode(["a", "b", "a b"])
    np.testing.assert_allclose(both, (a + b) / 2, atol=1e-6)


def test_no_such_vectors():
    with pytest.raises(UsageError, match="no kind of vectors"):
        fit_encoder("tfidff", KEYS)
    with pytest.raises(UsageError, match="no vectors of words"):
        word_vectors("tfidf", KEYS, ["a"])
