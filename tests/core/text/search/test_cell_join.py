import io
import os
import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.core.text.search.neighbours import sampled_recall, similar_pairs
from tests.conftest import ROOT
from tests.core.text.search.test_neighbours import as_set, brute_force, matrices, unit


def near_copies(n, dimensions=24):
    """Rows of which many are a little beside another, some are equal, and some are zero."""
    rng = np.random.default_rng(0)
    rows = unit(rng.normal(size=(n // 3, dimensions)))[rng.integers(n // 3, size=n)]
    rows = unit(rows + 0.05 * rng.normal(size=rows.shape) * rng.integers(3, size=(n, 1)))
    rows[::100] = 0
    return rows


@settings(max_examples=100)
@given(matrices(), st.floats(0.05, 1), st.sampled_from([1, 50, 1 << 22]))
def test_where_each_row_looks_everywhere_the_join_is_what_brute_force_finds(matrix, threshold, work):
    pairs = similar_pairs(matrix, threshold, work=work, exact_rows=0)
    sure, possible = brute_force(matrix, threshold + 1e-5)[1], brute_force(matrix, threshold - 1e-5)[1]
    assert sure <= as_set(pairs) <= possible
    assert len(as_set(pairs)) == len(pairs)


def test_in_many_cells_nothing_false_is_found_and_little_is_missing():
    vectors = near_copies(3000)
    done = []
    pairs = similar_pairs(vectors, 0.9, exact_rows=0, advance=done.append)
    assert sum(done) == len(vectors)
    assert as_set(pairs) <= brute_force(vectors, 0.9 - 1e-5)[1]
    assert len(as_set(pairs)) == len(pairs)
    wanted = brute_force(vectors, 0.9 + 1e-5)[1]
    assert len(wanted) > 1000
    assert len(wanted & as_set(pairs)) >= 0.985 * len(wanted)
    found, sampled = sampled_recall(vectors, pairs, 0.9, sample=len(vectors))
    assert found.sum() >= 0.985 * sampled.sum()


def test_the_size_of_blocks_makes_no_difference():
    vectors = near_copies(2000)
    one, other = (similar_pairs(vectors, 0.85, exact_rows=0, work=work) for work in (1 << 22, 500))
    assert np.array_equal(one.first, other.first)
    assert np.array_equal(one.second, other.second)
    assert np.array_equal(one.score, other.score)


_PAIRS = """
import sys
import numpy as np
from dlcli.core.text.search.neighbours import similar_pairs
from tests.core.text.search.test_cell_join import near_copies
found = similar_pairs(near_copies(9000, 200), 0.8, exact_rows=0)
np.save(sys.stdout.buffer, np.stack([found.first, found.second, found.score.view(np.int32)]))
"""


def test_the_number_of_threads_makes_no_difference():
    """Products are wide enough here that the library of linear algebra splits them."""
    found = []
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", _PAIRS], env=environment, capture_output=True, check=True)
        found.append(np.load(io.BytesIO(done.stdout)))
    assert found[0].shape[1] > 1000
    assert np.array_equal(found[0], found[1])
