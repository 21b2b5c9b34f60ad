"""Products of sparse rows in one pass."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse._sparsetools import csr_matmat


def product(
    left: sp.csr_array | NDArray[np.float32], right: sp.csr_array | NDArray[np.float32]
) -> sp.csr_array | NDArray[np.float32]:
    """`left @ right`, the same entries in the same order, of two sparse matrices in one pass.

    scipy multiplies twice, first to count the entries of the result, of which there are at most as many as multiplications.
    """
    if not (sp.issparse(left) and sp.issparse(right)):
        return left @ right
    most = int(np.diff(right.indptr).take(left.indices).sum(dtype=np.int64))
    parts = (left.indptr, left.indices, right.indptr, right.indices)
    if most > np.iinfo(np.int32).max or left.dtype != right.dtype or any(part.dtype != np.int32 for part in parts):
        return left @ right
    rows, width = left.shape[0], right.shape[1]
    ends, columns, entries = np.empty(rows + 1, np.int32), np.empty(most, np.int32), np.empty(most, left.dtype)
    csr_matmat(rows, width, *parts[:2], left.data, *parts[2:], right.data, ends, columns, entries)
    return sp.csr_array((entries[: ends[-1]], columns[: ends[-1]], ends), shape=(rows, width))
