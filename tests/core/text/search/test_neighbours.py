import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.search.neighbours import Pairs, cosines, sampled_recall, similar_pairs
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors.encoders import tfidf
from dlcli.support.errors import ResourceError


def unit(dense):
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    return (dense / np.where(length > 0, length, 1)).astype(np.float32)


@st.composite
def matrices(draw):
    """Rows of length 1 or 0 with few, skewed features, some with minus signs, some rows twice."""
    seed = draw(st.integers(0, 2**32 - 1))
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 25))
    rng = np.random.default_rng(seed)
    dense = rng.exponential(size=(rows, columns)) * (rng.random((rows, columns)) < rng.random(columns) ** 2)
    if draw(st.booleans()):
        dense *= rng.choice([-1, 1], size=dense.shape)
    dense[rng.random(rows) < 0.1] = 0
    return unit(dense[rng.integers(rows, size=rows)])


def brute_force(matrix, threshold):
    product = np.triu(matrix.astype(float) @ matrix.T.astype(float), 1)
    return product, {(i, j) for i, j in zip(*np.nonzero(product >= threshold), strict=True)}


def as_set(pairs):
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


@settings(max_examples=200)
@given(matrices(), st.floats(0.05, 1), st.booleans(), st.sampled_from([1, 50, 1 << 22]))
def test_the_join_is_what_brute_force_finds(matrix, threshold, sparse, work):
    pairs = similar_pairs(sp.csr_array(matrix) if sparse else matrix, threshold, work=work)
    product, _ = brute_force(matrix, threshold)
    sure, possible = brute_force(matrix, threshold + 1e-5)[1], brute_force(matrix, threshold - 1e-5)[1]
    assert sure <= as_set(pairs) <= possible
    assert len(as_set(pairs)) == len(pairs)
    np.testing.assert_allclose(pairs.score, product[pairs.first, pairs.second], atol=1e-5)
    assert list(zip(pairs.first, pairs.second, strict=True)) == sorted(zip(pairs.first, pairs.second, strict=True))


@settings(max_examples=50)
@given(matrices(), st.floats(0.1, 1), st.booleans(), st.integers(1, 2000))
def test_the_size_of_blocks_makes_no_difference(matrix, threshold, sparse, work):
    vectors = sp.csr_array(matrix) if sparse else matrix
    one, other = similar_pairs(vectors, threshold), similar_pairs(vectors, threshold, work=work)
    assert np.array_equal(one.first, other.first)
    assert np.array_equal(one.second, other.second)
    assert np.array_equal(one.score, other.score)


def generated_keys(n):
    """Sentences of common and rare words, some of them changed a little."""
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"w{k:x}x{k * 7919 % 1000}" for k in range(3000)])
    weights = 1 / np.arange(1, 3001)
    lines = [list(rng.choice(vocabulary, size=rng.integers(3, 12), p=weights / weights.sum())) for _ in range(n)]
    for k in range(0, n, 5):
        lines[k] = [*lines[k - 1][:-1], vocabulary[rng.integers(3000)]]
    return sorted(set(fold_all(map(" ".join, lines))))


@pytest.mark.parametrize("threshold", [0.5, 0.85])
def test_texts_in_many_blocks_lose_nothing(threshold):
    vectors = tfidf.vectors(generated_keys(3000))
    done = []
    pairs = similar_pairs(vectors, threshold, work=100_000, advance=done.append)
    _, wanted = brute_force(vectors.toarray(), threshold + 1e-5)
    assert len(wanted) > 100
    assert wanted <= as_set(pairs)
    assert len(done) > 5
    assert sum(done) == vectors.shape[0]


@settings(max_examples=100)
@given(matrices(), st.floats(0.1, 1), st.booleans(), st.integers(0, 2**32 - 1))
def test_recall_among_some_rows_is_that_of_the_pairs_that_have_one(matrix, threshold, sparse, seed):
    product, _ = brute_force(matrix, threshold)
    if (np.abs(product - threshold) < 1e-5).any():
        return
    rng = np.random.default_rng(seed)
    pairs = similar_pairs(matrix, threshold)
    kept, among = rng.random(len(pairs)) < 0.5, np.flatnonzero(rng.random(len(matrix)) < 0.5)
    some = Pairs(pairs.first[kept], pairs.second[kept], pairs.score[kept])
    vectors = sp.csr_array(matrix) if sparse else matrix
    recall = sampled_recall(vectors, some, threshold, among=among)
    for counts, found in ((recall.found, some), (recall.total, pairs)):
        wanted = [sum(row in pair for pair in as_set(found)) for row in among.tolist()]
        assert sorted(counts.tolist()) == sorted(wanted)  # the sample is all of these rows, in an order of its own
    assert (recall.found <= recall.total).all()


def test_recall_counts_what_is_missing():
    vectors = tfidf.vectors(generated_keys(1000))
    pairs = similar_pairs(vectors, 0.6)
    whole = sampled_recall(vectors, pairs, 0.6, sample=vectors.shape[0])
    assert (whole.found.sum(), whole.total.sum()) == (2 * len(pairs), 2 * len(pairs))
    half = Pairs(pairs.first[::2], pairs.second[::2], pairs.score[::2])
    found, wanted = sampled_recall(vectors, half, 0.6, sample=vectors.shape[0])
    assert (found.sum(), wanted.sum()) == (2 * len(half), 2 * len(pairs))
    found, wanted = sampled_recall(vectors.toarray(), pairs, 0.6, sample=200)
    assert len(found) == 200 and 0 < found.sum() == wanted.sum() < 2 * len(pairs)


def test_cosines_of_given_pairs():
    matrix = unit(np.random.default_rng(0).normal(size=(30, 5)))
    first, second = np.arange(30, dtype=np.int32), np.arange(30, dtype=np.int32)[::-1]
    expected = (matrix[first] * matrix[second]).sum(axis=1)
    np.testing.assert_allclose(cosines(matrix, first, second), expected, atol=1e-6)
    np.testing.assert_allclose(cosines(sp.csr_array(matrix), first, second), expected, atol=1e-6)
    assert len(cosines(matrix, first[:0], second[:0])) == 0


def test_too_many_pairs_are_refused_early():
    matrix = unit(np.ones((300, 3)))
    for vectors in (matrix, sp.csr_array(matrix)):
        with pytest.raises(ResourceError, match="more than 1,000 pairs have a cosine of 0.9 or more") as error:
            similar_pairs(vectors, 0.9, work=900, max_pairs=1000)
        assert "`candidates`" in error.value.hint


def test_more_pairs_than_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr("dlcli.core.text.search.neighbours.available_memory", lambda: 150_000)
    with pytest.raises(ResourceError, match="more than 1,000 pairs .*, and memory holds no more"):
        similar_pairs(unit(np.ones((300, 3))), 0.9, work=900)


@pytest.mark.parametrize("threshold", [0, -0.5, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        similar_pairs(np.eye(2, dtype=np.float32), threshold)
