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
from torch.utils._python_dispatch import TorchDispatchMode

from dlcli.core.compute import loader
from dlcli.core.compute.loader import BatchLoader, prefetch, to_float
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.training.loop import train
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT
from tests.core.transfers import META, Transfers

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


def _loader(x, device=CPU):
    return BatchLoader(x, 10 * torch.arange(len(x)), device)


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
        return _loader(_images((1000, 1, 2, 2))).batches(torch.arange(1000).split(1))

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
    one, other = (_loader(images) for images in (x, x.float() / 255))
    assert len(one) == len(other) == 23
    assert one.shape == other.shape == shape
    for feeding in (one, other):
        for (found, labels), picked in zip(feeding.batches(order), order, strict=True):
            expected = whole[picked]
            assert torch.equal(found, expected)
            assert torch.equal(labels, 10 * picked)
            assert found.stride() == expected.stride()  # on which the choice of an algorithm depends, and so the last bit
            assert found.dtype == torch.float32
            assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_second_epoch_reads_its_batches_again():
    given = _loader(_images((6, 1, 2, 2)))
    order = torch.arange(6).split(2)
    first, second = (torch.cat([x for x, _ in given.batches(order)]) for _ in range(2))
    assert torch.equal(first, second)


def test_no_batches_are_no_batches():
    assert list(_loader(_images((6, 1, 2, 2))).batches(())) == []


def test_an_invalid_index_is_an_error_at_its_batch():
    batches = _loader(_images((6, 1, 2, 2))).batches((torch.tensor([5]), torch.tensor([6])))
    next(batches)
    with pytest.raises(IndexError):
        next(batches)


@pytest.mark.parametrize(("room", "copied"), [(4 * 10 * 12, True), (4 * 10 * 12 - 1, False)])
def test_floats_are_copied_only_if_memory_holds_both_layouts(room, copied, monkeypatch):
    monkeypatch.setattr("dlcli.support.memory.available_memory", lambda: room)
    x = torch.rand(10, 3, 2, 2)
    assert (_loader(x)._x.data_ptr() != x.data_ptr()) == copied


@pytest.mark.parametrize(("free", "room"), [(960, True), (959, False)])
def test_half_of_gpu_memory_is_left_for_the_network(free, room, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    assert loader._has_room(torch.rand(10, 3, 2, 2), torch.device("cuda")) == room


@pytest.mark.parametrize(
    ("x", "whole", "a_batch"), [(_images((40, 3, 32, 32)), 3072, 3072), (torch.rand(40, 3, 32, 32), 12288, 12288)]
)
@pytest.mark.parametrize("room", [True, False])
def test_images_travel_once_and_bytes_as_bytes(x, whole, a_batch, room, monkeypatch):
    """To a device that has room for all images before the epoch, else batch by batch; indices and labels in one copy each."""
    monkeypatch.setattr(loader, "_has_room", lambda x, device: room)
    with Transfers() as before:
        feeding = _loader(x, META)
    with Transfers() as seen:
        batches = list(feeding.batches(torch.randperm(40).split(10)))
    assert all(x.dtype == torch.float32 and x.device == y.device == META for x, y in batches)
    assert all(x.is_contiguous(memory_format=torch.channels_last) and x.shape == (10, 3, 32, 32) for x, _ in batches)
    assert (before.copies, before.bytes / 40) == ((2, whole + 8) if room else (1, 8))
    assert (seen.copies, seen.bytes / 40) == ((1, 8) if room else (1 + 4, a_batch + 8))
    assert seen.synchronised == []


@pytest.mark.parametrize("x", [_images((40, 3, 4, 4)), torch.rand(40, 3, 4, 4)])
@pytest.mark.parametrize("pinned", [True, False])
def test_what_is_copied_ahead_is_pinned_for_a_gpu_of_nvidia(x, pinned, monkeypatch):
    """From pinned memory the copy does not block; torch pins memory for CUDA only, so pinning is imitated."""
    pins = []
    monkeypatch.setattr(loader, "_has_room", lambda x, device: False)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: pins.append(threading.current_thread().name) or x)
    feeding = _loader(x, META)
    assert not feeding._pinned
    feeding._pinned = pinned
    with Transfers() as seen:
        list(feeding.batches(torch.arange(40).split(10)))
    assert len(pins) == (4 if pinned else 0)
    assert all(name.startswith("dlcli-prefetch") for name in pins)
    assert seen.copies == (1 if pinned else 5)


def test_bytes_are_divided_by_a_tensor_on_the_device():
    """CUDA multiplies by the reciprocal of a number of the host, which rounds some levels differently than division."""
    divisors = []

    class Spy(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.overloadpacket.__name__ in ("div", "div_"):
                divisors.append(args[1])
            return func(*args, **(kwargs or {}))

    with Spy():
        to_float(torch.zeros(3, dtype=torch.uint8, device=META))
    assert [divisor.device for divisor in divisors] == [META]
    levels = torch.arange(256.0)
    assert not torch.equal(levels * (1 / torch.tensor(255.0)), levels / 255)  # so the difference is real


def test_a_cpu_converts_bytes_in_one_background_thread_and_needs_none_for_floats(monkeypatch):
    makers = set()

    def convert(x):
        if not x.is_floating_point():
            makers.add(threading.current_thread().name)
        return to_float(x)

    monkeypatch.setattr(loader, "to_float", convert)
    list(_loader(_images((50, 1, 2, 2))).batches(torch.arange(50).split(5)))
    assert len(makers) == 1
    assert makers.pop().startswith("dlcli-prefetch")
    assert _becomes_true(lambda: not _threads())
    for _ in _loader(torch.rand(50, 1, 2, 2)).batches(torch.arange(50).split(5)):
        assert _threads() == []


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
