"""Small computations on the rows of matrices."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.integer]
PROBABILITY_DIGITS = 6
"""Decimals of a probability: further ones differ between machines and numbers of threads, and must not change a group."""


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows with an L2 norm of 1; those of zeros stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-6)
    return unit


def ratio(part: Floats, whole: Floats, *, if_empty: float = 0.0) -> Floats:
    """Each `part` over its `whole`, `if_empty` where that is 0."""
    found: Floats = np.divide(part, whole, out=np.full(len(part), if_empty), where=whole > 0)
    return found


def row_sums(matrix: sp.csr_array) -> Floats:
    """The sum of each row."""
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
