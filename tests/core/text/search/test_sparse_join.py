import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.search import sparse_join
from dlcli.core.text.search.sparse_join import OrderedRows, _most_in_common, sparse_candidates
from dlcli.core.text.vectors.encoders import tfidf
from tests.core.text.search.test_neighbours import brute_force, generated_keys, matrices


def joined(vectors, bound, work=1 << 22):
    """The candidates as pairs of numbers, the lower first, and how many rows were done."""
    parts = list(sparse_candidates(vectors, bound, work))
    first, second = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    return list(zip(np.minimum(first, second), np.maximum(first, second), strict=True)), sum(part[2] for part in parts)


@settings(max_examples=200)
@given(matrices(), st.floats(0.05, 1), st.sampled_from([1, 50, 1 << 22]))
def test_all_that_brute_force_finds_is_among_the_candidates_and_once(matrix, bound, work):
    pairs, done = joined(sp.csr_array(matrix), bound, work)
    assert brute_force(matrix, bound + 1e-5)[1] <= set(pairs)
    assert len(set(pairs)) == len(pairs)
    assert all(first < second for first, second in pairs)
    assert done == len(matrix)


@given(matrices())
def test_no_product_is_more_than_what_two_rows_can_have_most_in_common(matrix):
    whole = sp.csr_array(matrix)
    rows = OrderedRows(whole, 0.5)
    matrix, bounds = matrix[rows.order], rows.bounds_of(whole, rows.order)
    first, second = (side.ravel() for side in np.indices((len(matrix), len(matrix))))
    most = _most_in_common(bounds, bounds, first, second)
    assert (np.abs(matrix @ matrix.T).ravel() <= most + 1e-5).all()


@pytest.mark.parametrize("bound", [0.3, 0.75])
def test_many_tiles_lose_nothing_and_leave_few_pairs_to_look_at(bound):
    vectors = tfidf.vectors(generated_keys(3000))
    pairs, done = joined(vectors, bound)
    wanted = brute_force(vectors.toarray(), bound + 1e-5)[1]
    assert len(wanted) > 100
    assert wanted <= set(pairs)
    assert len(pairs) < 0.1 * vectors.shape[0] ** 2 / 2
    assert done == vectors.shape[0]


def test_few_of_the_candidates_from_a_low_bound_on_are_no_pairs():
    vectors = tfidf.vectors(generated_keys(3000))
    wanted = brute_force(vectors.toarray(), 0.5)[1]
    assert len(joined(vectors, 0.5)[0]) < 3 * len(wanted)


@given(matrices())
def test_the_candidates_of_few_rows_are_between_the_pairs_and_all(matrix):
    found = OrderedRows(sp.csr_array(matrix), 0.3).work(sp.csr_array(matrix), 1 << 22)
    every = len(matrix) * (len(matrix) - 1) // 2
    assert len(brute_force(matrix, 0.3 + 1e-5)[1]) - 1e-6 <= found.candidates <= every + 1e-6


def test_the_work_of_many_rows_is_estimated_from_some(monkeypatch):
    vectors = tfidf.vectors(generated_keys(3000))
    whole = OrderedRows(vectors, 0.3).work(vectors, 1 << 22)
    monkeypatch.setattr(sparse_join, "_SAMPLED", 1000)
    some = OrderedRows(vectors, 0.3).work(vectors, 1 << 22)
    assert 0.5 < some.candidates / whole.candidates < 2
    assert 0.5 < some.products / whole.products < 2


def test_products_are_the_multiplications_of_the_heads(monkeypatch):
    vectors = tfidf.vectors(generated_keys(2000))
    done, real = [], sparse_join._blocks

    def counted(left, across, work):
        done.append(int(np.diff(across.indptr)[left.indices].sum()))
        return real(left, across, work)

    estimate = OrderedRows(vectors, 0.3).work(vectors, 1 << 22).products
    monkeypatch.setattr(sparse_join, "_blocks", counted)
    joined(vectors, 0.3)
    assert estimate == pytest.approx(sum(done), rel=0.2)
