"""Searches within blocks find what a search of all rows finds, less the pairs of different blocks."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.search import cross_join, neighbours
from dlcli.core.text.search.blocks import all_pairs_within, comparable_texts, pairs_within, separate_blocks
from dlcli.core.text.search.budget import cosine_within, pair_budget, pairs_from
from dlcli.core.text.search.neighbours import sampled_recall, similar_pairs
from tests.core.text.search.test_neighbours import as_set, matrices


def blocks_for(matrix, seed):
    rng = np.random.default_rng(seed)
    return np.unique(np.sort(rng.integers(0, rng.integers(1, len(matrix) + 1), len(matrix))), return_inverse=True)[1]


def within(pairs, block):
    return {pair for pair in as_set(pairs) if block[pair[0]] == block[pair[1]]}


@settings(max_examples=150)
@given(matrices(), st.floats(0.05, 1), st.booleans(), st.sampled_from([1, 50, 1 << 22]), st.integers(0, 99))
def test_the_join_is_that_of_all_rows_less_pairs_of_different_blocks(matrix, threshold, sparse, work, seed):
    vectors, block = sp.csr_array(matrix) if sparse else matrix, blocks_for(matrix, seed)
    found, every = similar_pairs(vectors, threshold, block=block, work=work), similar_pairs(vectors, threshold)
    assert as_set(found) == within(every, block) and len(as_set(found)) == len(found)
    score = dict(zip(zip(every.first, every.second, strict=True), every.score, strict=True))
    assert [score[pair] for pair in zip(found.first, found.second, strict=True)] == found.score.tolist()
    assert as_set(similar_pairs(vectors, threshold, block=block, exact_rows=0)) <= as_set(found)
    if not sparse:
        on_device = similar_pairs(vectors, threshold, block=block, device=torch.device("cpu"))
        assert as_set(on_device) == as_set(found)


@settings(max_examples=60)
@given(matrices(), st.floats(0.05, 1), st.booleans(), st.integers(0, 99))
def test_new_rows_are_compared_with_those_of_their_block(matrix, threshold, sparse, seed):
    vectors, block = sp.csr_array(matrix) if sparse else matrix, blocks_for(matrix, seed)
    new = np.random.default_rng(seed).random(len(matrix)) < 0.3
    expected = {pair for pair in within(similar_pairs(vectors, threshold), block) if new[list(pair)].any()}
    for many in (0.0, 1.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cross_join, "_MANY", many)
            assert as_set(cross_join.cross_pairs(vectors, new, threshold, block=block)) == expected


@given(matrices(), st.integers(0, 99))
def test_separate_blocks_keep_the_products_within_a_block_and_no_other(matrix, seed):
    block = blocks_for(matrix, seed)
    rows = separate_blocks(sp.csr_array(matrix), block)
    product = (rows @ rows.T).toarray()
    np.testing.assert_allclose(product, np.where(block[:, None] == block, matrix @ matrix.T, 0), atol=1e-6)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_all_pairs_are_counted_and_listed(numbers):
    block = np.unique(np.sort(numbers), return_inverse=True)[1].astype(np.int64)
    expected = [(i, j) for i in range(len(block)) for j in range(i + 1, len(block)) if block[i] == block[j]]
    assert list(zip(*(part.tolist() for part in all_pairs_within(block)), strict=True)) == expected
    assert pairs_within(len(block), block) == len(expected)
    if len(block):
        assert comparable_texts(block) == max(1, round(np.mean([np.sum(block == one) for one in block])))


def test_all_pairs_of_small_blocks_are_scored_however_many_blocks_there_are():
    block = np.arange(60_000) // 2
    assert pair_budget(60_000, block) >= pairs_within(60_000, block) > pair_budget(60_000)
    assert [pair_budget(n) for n in (2, 283, 284, 2_000)] == 4 * [40_000] and pair_budget(100_000) == 20_000


def test_the_budget_and_the_recall_count_pairs_within_blocks_alone():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(900, 12)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    block = np.arange(900) // 30
    assert cosine_within(matrix, pairs_within(900, block), 1.0, block=block) == 0
    level = cosine_within(matrix, 1000, 1.0, block=block)
    assert 800 < len(pairs_from(matrix, level, block=block)) < 1200
    assert cosine_within(sp.csr_array(matrix), 1000, 1.0, block=block) == level
    found = pairs_from(matrix, 0.7, block=block)
    some = neighbours.Pairs(found.first[::2], found.second[::2], found.score[::2])
    recall = sampled_recall(matrix, some, 0.7, block=block, sample=900)
    # Each pair is one of both of its rows.
    assert (recall.found.sum(), recall.total.sum()) == (2 * len(some), 2 * len(found))


@pytest.mark.parametrize("budget", [50, 500, 5_000, 200_000])
def test_the_level_of_sparse_rows_is_that_of_the_same_rows_stored_densely(budget):
    """Most cosines are 0 and some rows are empty, so the budget may exceed the pairs that share a feature."""
    rng = np.random.default_rng(1)
    matrix = (rng.random((800, 300)) < 0.01) * rng.random((800, 300)).astype(np.float32)
    norm = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = np.divide(matrix, norm, out=np.zeros_like(matrix), where=norm > 0)
    assert (norm == 0).any()
    assert cosine_within(sp.csr_array(matrix), budget, 1.0) == cosine_within(matrix, budget, 1.0)
