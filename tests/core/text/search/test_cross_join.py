import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.search import cross_join
from dlcli.core.text.search.neighbours import similar_pairs


@settings(max_examples=100)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 30),
    st.booleans(),
    st.sampled_from([0.3, 0.7, 1.0]),
    st.integers(1, 200),
    st.sampled_from([0.05, 1]),
)
def test_the_same_pairs_as_the_join_of_all_of_which_one_is_new(seed, n, sparse, threshold, cells, many):
    rng = np.random.default_rng(seed)
    dense = rng.random((n, 8)) * (rng.random((n, 8)) < 0.4)
    dense = dense[rng.integers(n, size=n)]
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    dense = (dense / np.where(length > 0, length, 1)).astype(np.float32)
    vectors, new = (sp.csr_array(dense) if sparse else dense), rng.random(n) < 0.5
    every = similar_pairs(vectors, threshold)
    kept = new[every.first] | new[every.second]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_join, "_CELLS", cells)
        patch.setattr(cross_join, "_MANY", many)
        found = cross_join.cross_pairs(vectors, new, threshold)
    assert np.array_equal(found.first, every.first[kept]) and np.array_equal(found.second, every.second[kept])
    assert np.array_equal(found.score, every.score[kept])
