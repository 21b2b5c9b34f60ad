from unittest.mock import patch

import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dlcli.core.text import products
from dlcli.core.text.products import product

WIDTH = 4


def matrices(rows, columns):
    return arrays(np.float32, st.tuples(rows, columns), elements=st.sampled_from([0, 0, 1, -1, 2]))


@given(matrices(st.integers(0, 5), st.just(WIDTH)), matrices(st.just(WIDTH), st.integers(1, 5)), st.booleans(), st.booleans())
def test_a_product_is_that_of_the_dense_matrices(left, right, long_numbers, counted):
    sparse = [sp.csr_array(part) for part in (left, right)]
    if long_numbers:
        sparse = [sp.csr_array((part.data, part.indices.astype(np.int64), part.indptr), part.shape) for part in sparse]
    with patch.object(products, "_FEW", 0 if counted else products._FEW):
        found = product(*sparse)
    assert found.shape == (len(left), right.shape[1])
    np.testing.assert_array_equal(found.toarray(), left @ right)


@given(matrices(st.integers(1, 5), st.just(WIDTH)))
def test_entries_are_in_the_order_of_scipy(rows):
    left, right = sp.csr_array(rows), sp.csr_array(rows.T)
    found, peer = product(left, right), left @ right
    assert found.indices.tolist() == peer.indices.tolist()
    assert found.data.tolist() == peer.data.tolist()


def test_without_the_private_function_of_scipy_products_are_the_same(monkeypatch):
    left, right = sp.csr_array(np.eye(3, dtype=np.float32)), sp.csr_array(np.arange(9, dtype=np.float32).reshape(3, 3))
    with_it = product(left, right).toarray()
    monkeypatch.setattr(products, "csr_matmat", None)
    np.testing.assert_array_equal(product(left, right).toarray(), with_it)
