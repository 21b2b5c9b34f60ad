"""Halving batches that do not fit in memory: nothing is lost, doubled or changed by it."""

import weakref
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.core.compute import batches
from dlcli.core.compute.batches import FittingParts, if_it_fits, in_batches
from dlcli.core.compute.forward import predict_logits
from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.gradients.layer_signals import layer_signals
from dlcli.core.graph.last_hidden import hidden_features
from dlcli.support.errors import InputError, ResourceError

CPU = torch.device("cpu")
X = torch.rand(13, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def full() -> torch.OutOfMemoryError:
    """A new one each time: an exception keeps the frames that it went through."""
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class _Room(torch.autograd.Function):
    """The identity, which runs out of memory on more than `room` rows, forward or backward."""

    @staticmethod
    def forward(ctx, x, room, backward):
        ctx.room = room
        if len(x) > room and not backward:
            raise full()
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        if len(gradient) > ctx.room:
            raise full()
        return gradient, None, None


class Net(nn.Module):
    """A small network, and the sizes of the batches that it was called on."""

    def __init__(self, room: int = 1000, *, backward: bool = False):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.hidden, self.norm, self.last = nn.Linear(36, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
        self.room, self.backward, self.sizes = room, backward, []
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        x = self.norm(self.hidden(x.flatten(1))).relu()
        return self.last(_Room.apply(x, self.room, self.backward))


def _raise(error):
    raise error


def test_what_fits_is_called_once():
    assert if_it_fits(lambda: 7, CPU, divisible=True) == 7


def test_a_failed_call_leaves_nothing_in_memory_when_its_cache_is_released(monkeypatch):
    kept = []
    released = []
    monkeypatch.setattr(batches, "release", lambda device: released.append((device, kept[0]() is None)))

    def fill():
        big = torch.zeros(3)
        kept.append(weakref.ref(big))
        raise full()

    assert if_it_fits(fill, CPU, divisible=True) is None
    assert released == [(CPU, True)]


def test_work_that_cannot_be_divided_and_other_errors_are_raised():
    with pytest.raises(torch.OutOfMemoryError):
        if_it_fits(lambda: _raise(full()), CPU, divisible=False)
    for error in (RuntimeError("shapes do not match"), InputError("no"), ResourceError("a worker died"), KeyError("x")):
        with pytest.raises(type(error)):
            if_it_fits(lambda error=error: _raise(error), CPU, divisible=True)


def test_an_error_of_ours_about_memory_counts_too():
    def call():
        try:
            raise full()
        except RuntimeError as error:
            raise ResourceError("out of memory running the network on 2 images") from error

    assert if_it_fits(call, CPU, divisible=True) is None


@given(n=st.integers(0, 40), size=st.integers(1, 50), room=st.integers(1, 50))
def test_every_row_comes_once_and_in_order(n: int, size: int, room: int):
    tried: list[int] = []

    def take(batch: Tensor) -> list[int]:
        tried.append(len(batch))
        return batch.tolist() if len(batch) <= room else _raise(full())

    found = list(in_batches(take, torch.arange(n), size=size, device=CPU))
    assert [row for batch in found for row in batch] == list(range(n))
    assert len(found) >= 1 and max(tried) <= size
    failed = [length for length in tried if length > room]
    assert all(2 * later in (earlier, earlier + 1) for earlier, later in zip(failed, tried[1:], strict=False))
    # It stays at the size that fitted; only the last batch is smaller.
    whole = tried[len(failed) : -1]
    assert len(set(whole)) <= 1


def test_a_batch_of_the_least_size_is_not_halved():
    with pytest.raises(torch.OutOfMemoryError):
        list(in_batches(lambda batch: _raise(full()), torch.arange(8), size=8, least=8, device=CPU))


MEASURES = {
    "logits": lambda net: predict_logits(net, X, device=CPU),
    "hidden features": lambda net: torch.from_numpy(hidden_features(net, X, device=CPU)),
    "gradients": lambda net: input_gradients(net, X, Derivative("logit", 1), device=CPU),
    "gradients by a layer": lambda net: input_gradients(net, X, Derivative("loss", 1, layer="hidden"), device=CPU),
}


@pytest.mark.parametrize("room", [1, 3, 12])
@pytest.mark.parametrize("name", MEASURES)
def test_results_do_not_depend_on_how_much_fits(name, room):
    net = Net(room)
    torch.testing.assert_close(MEASURES[name](net), MEASURES[name](Net()), rtol=1e-5, atol=1e-6)
    assert len(X) in net.sizes and max(size for size in net.sizes if size <= room) > room // 2


@pytest.mark.parametrize("room", [1, 3, 12])
@pytest.mark.parametrize("target", ["logit", "loss"])
def test_a_backward_pass_that_does_not_fit_is_halved_too(target, room):
    net, derivative = Net(room, backward=True), Derivative(target, 1)
    found = input_gradients(net, X, derivative, device=CPU)
    torch.testing.assert_close(found, input_gradients(Net(), X, derivative, device=CPU), rtol=1e-5, atol=1e-7)
    assert net.sizes[:2] == [13, 7]


@pytest.mark.parametrize("backward", [False, True])
def test_signals_of_layers_count_each_input_once(backward):
    derivative = Derivative("logit", 1)
    (found,) = layer_signals(Net(4, backward=backward), X, derivative, device=CPU)
    (expected,) = layer_signals(Net(), X, derivative, device=CPU)
    assert (found.layer, found.units, found.active, found.dead) == (
        expected.layer,
        expected.units,
        expected.active,
        expected.dead,
    )
    for name in ("mean", "variance", "coactive", "gradient", "cosine"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5)


@pytest.mark.parametrize("name", MEASURES)
def test_one_input_that_does_not_fit_is_an_error_of_memory(name):
    with pytest.raises(ResourceError, match="memory"):
        MEASURES[name](Net(0))


@pytest.mark.parametrize("measure", [input_gradients, layer_signals])
@pytest.mark.parametrize("backward", [False, True])
def test_the_statistics_of_a_batch_need_all_of_it(measure, backward):
    net = Net(12, backward=backward)
    with pytest.raises(ResourceError, match="out of memory"):
        measure(net, X, Derivative("logit", 1, norm="batch"), device=CPU)
    assert net.sizes == [13]


def test_no_images_are_predicted_as_before():
    assert predict_logits(Net(), X[:0], device=CPU).shape == (0, 3)


@pytest.mark.parametrize(("rows", "size", "fits"), [(10, 4, 4), (10, 16, 3), (7, 7, 1), (1, 5, 5), (0, 3, 3), (40, 32, 9)])
def test_parts_cover_all_rows_in_order_and_stay_small(rows: int, size: int, fits: int) -> None:
    parts, sizes = FittingParts(size, CPU), []

    def double(begin: int, end: int) -> list[int]:
        if end - begin > fits:
            raise full()
        sizes.append(end - begin)
        return [2 * k for k in range(begin, end)]

    for _ in range(2):  # the second time the size is known
        assert [value for part in parts.map(double, rows) for value in part] == [2 * k for k in range(rows)]
    assert max(sizes, default=0) <= fits and parts.size <= size
    assert parts.size >= min(size, (fits + 1) // 2)


def test_parts_raise_what_is_no_lack_of_memory_and_what_one_row_lacks() -> None:
    def raising(error: Callable[[], Exception]) -> Callable[[int, int], None]:
        def function(begin: int, end: int) -> None:
            raise error()

        return function

    parts = FittingParts(8, CPU)
    with pytest.raises(ZeroDivisionError):
        list(parts.map(raising(ZeroDivisionError), 8))
    assert parts.size == 8
    with pytest.raises(torch.OutOfMemoryError):
        list(parts.map(raising(full), 8))
    assert parts.size == 1
