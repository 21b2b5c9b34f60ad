"""Alignment and uniformity against their definitions, pair by pair, and where they are known."""

from itertools import combinations
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.evaluation import sphere

SHAPES = st.tuples(st.integers(2, 9), st.integers(1, 5), st.integers(0, 10**6))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(SHAPES)
def test_they_are_the_means_over_pairs(shape: tuple[int, int, int]):
    n, d, seed = shape
    source = np.random.default_rng(seed)
    one, other, y = source.normal(size=(n, d)), source.normal(size=(n, d)), source.integers(0, 3, n)
    a, b = unit(one), unit(other)
    assert sphere.alignment(one, other) == pytest.approx(np.mean([((p - q) ** 2).sum() for p, q in zip(a, b, strict=True)]))
    kernel = [exp(-2 * ((a[i] - a[j]) ** 2).sum()) for i, j in combinations(range(n), 2)]
    assert sphere.uniformity(one) == pytest.approx(log(np.mean(kernel)), abs=1e-9)
    alike = [((a[i] - a[j]) ** 2).sum() for i, j in combinations(range(n), 2) if y[i] == y[j]]
    found = sphere.alignment_of_classes(one, y)
    assert found == (pytest.approx(np.mean(alike), abs=1e-9) if alike else None)


def test_blocks_of_rows_count_each_pair_once(monkeypatch: pytest.MonkeyPatch):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    whole = sphere.uniformity(rows)
    for size in (1, 7, 49, 50):
        monkeypatch.setattr(sphere, "_ROWS", size)
        assert sphere.uniformity(rows) == pytest.approx(whole, abs=1e-12)


def test_what_is_known():
    same = np.ones((20, 4))
    assert sphere.alignment(same, 3 * same) == sphere.uniformity(same) == 0
    assert sphere.alignment(same, -same) == pytest.approx(4)
    assert sphere.uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(-8)
    assert sphere.uniformity(same[:1]) is None
    assert np.isfinite(sphere.alignment(np.zeros((3, 2)), same[:3, :2]))
