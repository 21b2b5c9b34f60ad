"""Batches on their way to the network: the same whichever way they take, and no thread left behind."""

import gc
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dlcli.core.compute import loader
from dlcli.core.compute.loader import BatchLoader, prefetch, to_float
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.training.loop import train
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
_PATIENCE_S = 20


def _threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("dlcli-prefetch")]


def _becomes_true(claim):
    end = time.monotonic() + _PATIENCE_S
    while not claim() and time.monotonic() < end:
        time.sleep(0.005)
    return claim()


@pytest.fixture(autouse=True)
def no_threads_of_others():
    assert _becomes_true(lambda: not _threads())


def _images(shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_bytes_are_divided_by_255():
    x = torch.arange(256, dtype=torch.uint8)
    np.testing.assert_array_equal(to_float(x).numpy(), np.arange(256, dtype=np.float32) / np.float32(255))
    assert x.dtype == torch.uint8
    given = torch.rand(3)
    assert to_float(given) is given


@given(items=st.lists(st.integers(), max_size=30), depth=st.integers(0, 5), workers=st.integers(1, 4))
def test_prefetch_gives_what_map_gives(items, depth, workers):
    assert list(prefetch(lambda k: 2 * k, items, depth=depth, workers=workers)) == [2 * k for k in items]


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_prefetch_runs_depth_items_ahead_and_no_more(depth):
    begun = []
    iterator = prefetch(begun.append, range(20), depth=depth)
    assert begun == []
    assert _threads() == []  # the threads start with the first item
    for k in range(3):
        next(iterator)
        assert _becomes_true(lambda expected=k + 1 + depth: len(begun) == expected)
        assert not _becomes_false(lambda expected=k + 1 + depth: len(begun) == expected)
    iterator.close()


def _becomes_false(claim):
    """Whether `claim` fails within a moment in which idle threads would have gone on."""
    return any(time.sleep(0.005) or not claim() for _ in range(10))


def _break(k):
    if k == 3:
        raise ValueError("the fourth")
    return k


def test_an_error_is_raised_at_its_item():
    seen = []
    with pytest.raises(ValueError, match="the fourth"):
        seen.extend(k for k in prefetch(_break, range(9)))
    iterator = prefetch(_break, range(9))
    assert [next(iterator) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(iterator)
    assert _becomes_true(lambda: not _threads())


def test_waiting_items_do_not_start_when_the_iterator_ends():
    begun, gate = [], threading.Event()

    def work(k):
        begun.append(k)
        if k:
            gate.wait(_PATIENCE_S)

    iterator = prefetch(work, range(20), depth=5)
    next(iterator)
    assert _becomes_true(lambda: begun == [0, 1])
    iterator.close()
    gate.set()
    assert _becomes_true(lambda: not _threads())
    assert begun == [0, 1]


@pytest.mark.parametrize("form", ["ahead", "feed"])
@pytest.mark.parametrize("stop", ["close", "let go", "error"])
def test_the_thread_ends_with_the_iterator(form, stop):
    done = []

    def begun():
        if form == "ahead":
            return prefetch(done.append, range(1000))
        return BatchLoader(_images((1000, 1, 2, 2)), CPU).batches(torch.arange(1000).split(1))

    if stop == "error":

        def consume():
            for _ in begun():
                assert len(_threads()) == 1
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            consume()
    else:
        iterator = begun()
        next(iterator)
        assert len(_threads()) == 1
        if stop == "close":
            iterator.close()
        del iterator
        gc.collect()
    assert _becomes_true(lambda: not _threads())
    assert len(done) < 10


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (3, 1, 1), (2, 5, 1), (1, 1, 1), (3, 8, 8)])
@pytest.mark.parametrize("room", [10**12, 0])
def test_floats_and_bytes_give_bitwise_equal_batches(shape, room, monkeypatch):
    monkeypatch.setattr("dlcli.support.memory.available_memory", lambda: room)
    x = _images((23, *shape))
    order = torch.randperm(23, generator=torch.Generator().manual_seed(1)).tensor_split(4) + (torch.tensor([7, 7, 0]),)
    whole = (x.float() / 255).contiguous(memory_format=torch.channels_last)
    one, other = (BatchLoader(images, CPU) for images in (x, x.float() / 255))
    assert len(one) == len(other) == 23
    batches = [whole[picked] for picked in order]
    for feeding in (one, other):
        for found, expected in zip(feeding.batches(order), batches, strict=True):
            assert torch.equal(found, expected)
            assert found.stride() == expected.stride()  # on which the choice of an algorithm depends, and so the last bit
            assert found.dtype == torch.float32
            assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_second_epoch_reads_its_batches_again():
    given = BatchLoader(_images((6, 1, 2, 2)), CPU)
    order = torch.arange(6).split(2)
    first, second = (list(given.batches(order)) for _ in range(2))
    assert torch.equal(torch.cat(first), torch.cat(second))


def test_an_invalid_index_is_an_error_at_its_batch():
    batches = BatchLoader(_images((6, 1, 2, 2)), CPU).batches((torch.tensor([5]), torch.tensor([6])))
    next(batches)
    with pytest.raises(IndexError):
        next(batches)


@pytest.mark.parametrize(("room", "copied"), [(4 * 10 * 12, True), (4 * 10 * 12 - 1, False)])
def test_floats_are_copied_only_if_memory_holds_both_layouts(room, copied, monkeypatch):
    monkeypatch.setattr("dlcli.support.memory.available_memory", lambda: room)
    x = torch.rand(10, 3, 2, 2)
    assert (BatchLoader(x, CPU)._x.data_ptr() != x.data_ptr()) == copied


@pytest.mark.parametrize(("free", "room"), [(960, True), (959, False)])
def test_half_of_gpu_memory_is_left_for_the_network(free, room, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    assert loader._has_room(torch.rand(10, 3, 2, 2), torch.device("cuda")) == room


def test_batches_of_bytes_are_made_in_one_background_thread(monkeypatch):
    makers = set()
    plain = loader.to_float
    monkeypatch.setattr(loader, "to_float", lambda x: makers.add(threading.current_thread().name) or plain(x))
    list(BatchLoader(_images((50, 1, 2, 2)), CPU).batches(torch.arange(50).split(5)))
    assert len(makers) == 1
    assert makers.pop().startswith("dlcli-prefetch")
    list(BatchLoader(torch.rand(50, 1, 2, 2), CPU).batches(torch.arange(50).split(5)))
    assert makers <= {threading.current_thread().name}


def test_training_on_bytes_gives_the_weights_of_training_on_floats(monkeypatch):
    x, y = _images((40, 3, 8, 8)), torch.arange(40) % 3
    recipe = Recipe(epochs=2, batch_size=8, lr=0.1, optimizer="sgd", dtype="float32")
    found = []
    for images in (x, to_float(x)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
        with SILENT.task("training") as task:
            train(model, images, y, recipe, seed=1, device=CPU, task=task)
        found.append(weights_sha256(model))
    assert found[0] == found[1]
    assert _becomes_true(lambda: not _threads())
