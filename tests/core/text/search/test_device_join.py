"""The join on a device gives the pairs of the join by numpy, bit for bit, whatever its tiles are and if memory runs out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from dlcli.core.text.search import device_join
from dlcli.core.text.search.cross_join import cross_pairs
from dlcli.core.text.search.device_join import device_candidates
from dlcli.core.text.search.neighbours import sampled_recall, similar_pairs
from dlcli.support.errors import ResourceError
from tests.core.text.search.test_cell_join import near_copies
from tests.core.text.search.test_neighbours import as_set, brute_force, matrices, unit

CPU = torch.device("cpu")


def assert_same(found, expected):
    for name in ("first", "second", "score"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype and np.array_equal(one, other), name


class Memory(TorchDispatchMode):
    """Lets no operation return more than `limit` numbers, and remembers how many the largest one returned."""

    def __init__(self, limit=None):
        super().__init__()
        self.limit, self.largest, self.failures = limit, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        # What shares the memory of an argument takes none.
        old = {one.untyped_storage().data_ptr() for one in args if isinstance(one, torch.Tensor)}
        size = out.numel() if out.untyped_storage().data_ptr() not in old else 0
        if self.limit is not None and size > self.limit:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
        self.largest = max(self.largest, size)
        return out


@settings(max_examples=200, deadline=None)
@given(matrices(), st.floats(0.05, 1), st.sampled_from([1, 7, 50, 1 << 22]))
def test_the_pairs_their_order_and_their_scores_are_those_of_brute_force(matrix, threshold, work):
    """Also with rows that are equal, rows of zeros, and thresholds that equal a product."""
    found = similar_pairs(matrix, threshold, work=work, device=CPU)
    assert_same(found, similar_pairs(matrix, threshold))
    sure, possible = brute_force(matrix, threshold + 1e-5)[1], brute_force(matrix, threshold - 1e-5)[1]
    assert sure <= as_set(found) <= possible


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from([1, 30, 1 << 22]))
def test_ties_at_the_threshold_itself_are_pairs(seed, n, work):
    """Rows of few integers, scaled by a power of two, have products without rounding, many of which equal the threshold."""
    rows = np.eye(4, dtype=np.float32)[np.random.default_rng(seed).integers(4, size=n)]
    rows = np.concatenate([rows, np.full((2, 4), 0.5, np.float32)])
    expected = {(i, j) for i in range(n + 2) for j in range(i + 1, n + 2) if rows[i] @ rows[j] >= 0.5}
    found = similar_pairs(rows, 0.5, work=work, device=CPU)
    assert as_set(found) == expected and len(found) == len(expected)
    assert_same(found, similar_pairs(rows, 0.5))


def test_nothing_is_missing_among_more_rows_than_are_joined_exactly_without_a_device():
    vectors, done = near_copies(3000), []
    found = similar_pairs(vectors, 0.9, exact_rows=0, work=1 << 16, device=CPU, advance=done.append)
    assert_same(found, similar_pairs(vectors, 0.9))
    assert len(found) > 1000 and sum(done) == len(vectors) and len([rows for rows in done if rows]) > 5
    recall = sampled_recall(vectors, found, 0.9, sample=len(vectors))
    assert np.array_equal(recall.found, recall.total) and recall.total.sum() > 2 * 1000


@settings(max_examples=100, deadline=None)
@given(
    matrices(), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.7, 1.0]), st.sampled_from([1, 40, 1 << 22]), st.booleans()
)
def test_new_rows_are_compared_with_all(matrix, seed, threshold, work, in_full):
    new = np.random.default_rng(seed).random(len(matrix)) < 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_join, "WORK", work)
        patch.setattr("dlcli.core.text.search.cross_join._MANY", 0.01 if in_full else 1)
        done = []
        found = cross_pairs(matrix, new, threshold, device=CPU, advance=done.append)
    assert_same(found, cross_pairs(matrix, new, threshold))
    assert sum(done) == (len(new) if in_full and new.any() else new.sum())


@pytest.mark.parametrize("work", [100, 2500, 1 << 20])
def test_memory_is_bounded_by_the_tile(work):
    vectors = near_copies(400, dimensions=8)
    with Memory() as memory:
        similar_pairs(vectors, 0.9, work=work, device=CPU)
    assert 0 < memory.largest <= max(2 * min(work, 400 * 400), 1)


@pytest.mark.parametrize("limit", [9, 100, 5000])
def test_a_tile_for_which_memory_does_not_suffice_is_halved(limit):
    vectors = near_copies(300, dimensions=8)
    expected = similar_pairs(vectors, 0.95)
    assert len(expected) > 50
    with Memory(limit) as memory:
        found = similar_pairs(vectors, 0.95, work=1 << 20, device=CPU)
    assert_same(found, expected)
    # Halved a few times, and not again for each tile.
    assert 0 < memory.failures <= 10 and memory.largest <= limit
    new = np.arange(300) % 40 == 0
    with Memory(limit) as memory:
        assert_same(cross_pairs(vectors, new, 0.95, device=CPU), cross_pairs(vectors, new, 0.95))
    assert (memory.failures > 0) == (limit < 300 * new.sum()) and memory.largest <= limit


def test_no_memory_for_a_single_product_is_an_error_with_a_hint():
    with Memory(0), pytest.raises(ResourceError, match=r"not enough memory on cpu to compare two vectors") as error:
        similar_pairs(near_copies(30), 0.9, device=CPU)
    assert error.value.hint == "use `device=cpu`"


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    def fail(*_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.Tensor, "nonzero", fail)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        similar_pairs(near_copies(30), 0.9, device=CPU)


def test_rows_that_do_not_fit_are_copied_tile_by_tile(monkeypatch):
    """A device that takes at most 40 rows at a time; the CPU stands for it."""
    copied, to = [], torch.Tensor.to

    def limited(tensor, *arguments, **options):
        if CPU in arguments:
            if len(tensor) > 40:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            copied.append(len(tensor))
        return to(tensor, *arguments, **options)

    vectors = near_copies(300)
    expected = similar_pairs(vectors, 0.9)
    monkeypatch.setattr(torch.Tensor, "to", limited)
    assert_same(similar_pairs(vectors, 0.9, work=1 << 20, device=CPU), expected)
    assert copied and max(copied) <= 40


def test_an_array_that_is_mapped_from_a_file_is_taken():
    vectors = near_copies(60)
    expected = similar_pairs(vectors, 0.9)
    vectors.flags.writeable = False
    assert_same(similar_pairs(vectors, 0.9, device=CPU), expected)


def test_without_rows_there_are_no_pairs():
    for rows in (0, 1):
        assert len(similar_pairs(np.ones((rows, 3), np.float32), 0.5, device=CPU)) == 0
    assert not list(device_candidates(unit(np.ones((5, 3))), 0.5, 9, device=CPU, rows=np.empty(0, np.int32)))


def test_products_are_in_full_float32_whatever_is_allowed():
    """With TF32, 10 bits of each factor, pairs near the threshold would be missed."""
    seen = []

    class Products(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.overloadpacket is torch.ops.aten.mm:
                seen.append((torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision))
            return func(*args, **(kwargs or {}))

    torch.set_float32_matmul_precision("medium")
    try:
        with Products():
            list(device_candidates(unit(np.eye(4, dtype=np.float32)), 0.5, 4, device=CPU))
    finally:
        torch.set_float32_matmul_precision("highest")
        for node in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
            node.fp32_precision = "none"
    assert set(seen) == {("ieee", "ieee")}
