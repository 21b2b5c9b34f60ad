"""The threshold join finds the same pairs as other libraries on the same vectors, where the definitions agree."""

import numpy as np
import pytest

from dlcli.core.text.search.neighbours import similar_pairs

pytestmark = pytest.mark.peers
THRESHOLD = 0.9


def vectors(n=600, dimensions=16):
    """Unit rows, many of them close to another; no cosine is so near the threshold that rounding would decide."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n // 3, dimensions))[rng.integers(n // 3, size=n)]
    rows = rows + 0.2 * rng.normal(size=rows.shape)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    products = rows.astype(float) @ rows.T.astype(float)
    close = (np.abs(products - THRESHOLD) < 1e-5).any(axis=1)
    return rows[~close]


def as_set(first, second):
    return {(min(i, j), max(i, j)) for i, j in zip(map(int, first), map(int, second), strict=True) if i != j}


def joined(rows, **settings):
    pairs = similar_pairs(rows, THRESHOLD, **settings)
    return as_set(pairs.first, pairs.second)


def test_brute_force_finds_the_same_pairs():
    rows = vectors()
    wanted = as_set(*np.nonzero(rows.astype(float) @ rows.T.astype(float) >= THRESHOLD))
    assert len(wanted) > 100
    assert joined(rows) == wanted


def test_paraphrase_mining_finds_the_same_pairs():
    torch = pytest.importorskip("torch", reason="needs torch")
    util = pytest.importorskip("sentence_transformers.util", reason="needs sentence-transformers")
    rows = vectors()
    found = util.paraphrase_mining_embeddings(torch.from_numpy(rows), top_k=len(rows), max_pairs=len(rows) ** 2)
    kept = [(first, second) for score, first, second in found if score >= THRESHOLD]
    assert joined(rows) == as_set(*zip(*kept, strict=True))


def test_faiss_finds_the_same_pairs():
    faiss = pytest.importorskip("faiss", reason="needs faiss-cpu")
    rows = vectors()
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    ends, _, other = index.range_search(rows, THRESHOLD)
    assert joined(rows) == as_set(np.repeat(np.arange(len(rows)), np.diff(ends.astype(int))), other)


def test_semhash_drops_rows_that_have_a_pair_and_keeps_none_that_make_one():
    """It drops each row that is similar to one it has kept; which one it keeps is not specified."""
    semhash = pytest.importorskip("semhash", reason="needs semhash")
    rows = vectors()
    names = [str(row) for row in range(len(rows))]
    index = semhash.SemHash.from_embeddings(rows, names, model=None, ann_backend="basic")
    result = index.self_deduplicate(THRESHOLD)
    pairs = joined(rows)
    for dropped in result.filtered:
        assert as_set([dropped.record], [dropped.duplicate_of]) <= pairs
    kept = {int(record) for record in result.selected}
    assert not [pair for pair in pairs if set(pair) <= kept]
