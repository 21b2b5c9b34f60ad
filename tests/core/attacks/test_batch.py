"""The rows of a batch and the queue that fills it, against lists and a loop over single runs."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.core.attacks.base import Problem, RowGenerators, ThreatModel
from dlcli.core.attacks.batch import ActiveBatch, RunQueue
from dlcli.core.attacks.found import FoundImages
from dlcli.core.attacks.iterated import random_points
from dlcli.core.compute.batches import FittingParts
from dlcli.core.compute.rng import generator
from dlcli.support.seeds import derive
from tests.fake_device import fake_device
from tests.synchronisations import Synchronisations

CPU = torch.device("cpu")
N = 23
X = torch.rand(N, 3, 4, 5, generator=torch.Generator().manual_seed(2))
Y = torch.arange(N) % 4


def problem(device: torch.device = CPU, size: int = 8) -> Problem:
    threat = ThreatModel("linf", 0.1, (0.0, 1.0))
    return Problem(nn.Identity(), device, threat, X, Y, None, FittingParts(size, device), torch.arange(N), 7, None)


def start(clean: Tensor, index: Tensor, run: Tensor, generators: RowGenerators) -> Tensor:
    return random_points(clean, problem().threat, generators)


def tensors(batch: ActiveBatch) -> dict[str, Tensor]:
    own = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name != "memory"}
    return {name: tensor for name, tensor in {**own, **batch.memory}.items() if tensor is not None}


def batch_of(n: int, *, targeted: bool = True) -> ActiveBatch:
    place = torch.arange(n)
    return ActiveBatch(
        place, place + 1, place + 2, X[:n], X[:n] / 2, place + 3, place + 4 if targeted else None, {"a": X[:n, 0]}
    )


@given(st.lists(st.booleans(), min_size=1, max_size=N), st.booleans())
def test_rows_are_those_of_every_tensor(picked: list[bool], targeted: bool) -> None:
    batch, mask = batch_of(len(picked), targeted=targeted), torch.tensor(picked)
    places = [k for k, one in enumerate(picked) if one]
    for found in (batch.rows(mask), batch.rows(torch.tensor(places, dtype=torch.int64))):
        assert len(found) == len(places) and tensors(found).keys() == tensors(batch).keys()
        for name, tensor in tensors(batch).items():
            assert torch.equal(tensors(found)[name], tensor[places])


@given(st.integers(0, N), st.integers(0, N), st.integers(0, N))
def test_parts_joined_are_the_whole(n: int, first: int, second: int) -> None:
    batch = batch_of(n)
    first, second = sorted((min(first, n), min(second, n)))
    joined = batch.part(0, first).joined(batch.part(first, second), batch.part(second, n))
    for name, tensor in tensors(batch).items():
        assert torch.equal(tensors(joined)[name], tensor)


@given(st.lists(st.tuples(st.sampled_from(["take", "ahead", "add"]), st.integers(0, 9)), max_size=30))
def test_runs_come_in_order_and_begin_where_they_would_alone(calls: list[tuple[str, int]]) -> None:
    given_problem = problem()
    queue = RunQueue(given_problem, range(N - 3), None, start)
    expected, taken = [(k, 0) for k in range(N - 3)], []
    for what, number in [*calls, ("take", N), ("take", N)]:
        if what == "add":
            queue.add(number, 1)
            expected.append((number, 1))
        elif what == "ahead":
            queue.begin_ahead(number)
        else:
            taken.append(queue.take(number))
            assert len(taken[-1]) <= number
        assert len(queue) == len(expected) - sum(map(len, taken))
    batch = taken[0].joined(*taken[1:])
    assert list(zip(batch.index.tolist(), batch.run.tolist(), strict=True)) == expected[: len(batch)]
    assert torch.equal(batch.clean, X[batch.index]) and torch.equal(batch.label, Y[batch.index]) and not batch.step.any()
    for k, (index, run) in enumerate(expected[: len(batch)]):
        drawn = torch.rand(X.shape[1:], generator=generator(derive(7, "start", index, run)), dtype=torch.float64) * 2 - 1
        alone = (X[index] + 0.1 * drawn.float()).clamp(X[index] - 0.1, X[index] + 0.1).clamp(0, 1)
        assert torch.equal(batch.x[k], alone)


def test_runs_begin_with_images_whose_memory_is_in_one_order() -> None:
    images = X.contiguous(memory_format=torch.channels_last)
    queue = RunQueue(replace(problem(), x=images), range(N), None, lambda clean, *others: clean)
    assert queue.take(N).x.is_contiguous()


def test_begun_runs_are_few() -> None:
    begun: list[int] = []

    def counting(clean: Tensor, index: Tensor, run: Tensor, generators: RowGenerators) -> Tensor:
        begun.extend(index.tolist())
        return clean

    queue = RunQueue(problem(), range(N), None, counting)
    for _ in range(20):
        queue.begin_ahead(8)
    assert begun == list(range(8))  # as many as a batch has rows, one at a time


def test_a_run_whose_beginning_fails_is_not_lost() -> None:
    failing = [True]

    def once(clean: Tensor, index: Tensor, run: Tensor, generators: RowGenerators) -> Tensor:
        if failing.pop() if failing else False:
            raise torch.OutOfMemoryError("out of memory")
        return clean

    queue = RunQueue(problem(), range(5), None, once)
    with pytest.raises(torch.OutOfMemoryError):
        queue.begin_ahead(4)
    assert queue.take(5).index.tolist() == list(range(5))


def test_neither_rows_nor_the_queue_make_the_host_wait() -> None:
    with fake_device(float64=True) as device, Synchronisations() as waits:
        queue = RunQueue(problem(device), range(N), None, start)
        queue.begin_ahead(8)
        batch = queue.take(8)
        batch = batch.rows(batch.index % 2 == 0).joined(queue.take(4)).part(1, 6)
        assert len(batch) == 5 and batch.x.device == device and batch.index.device == CPU
        assert batch.step_there.device == device
    assert not waits.total, waits.counted


@given(st.lists(st.lists(st.integers(0, N - 1), unique=True, max_size=6), max_size=8))
def test_what_was_found_last_stays(found: list[list[int]]) -> None:
    images, expected = FoundImages(problem()), X.clone()
    with fake_device() as device, Synchronisations() as waits:
        there = FoundImages(problem(device))
        for k, index in enumerate(found):
            value = X[: len(index)] + k + 1
            expected[index] = value
            images.keep(torch.tensor(index, dtype=torch.int64), value)
            there.keep(torch.tensor(index, dtype=torch.int64), value.to(device, non_blocking=True))
        assert torch.equal(images.images(), expected) and torch.equal(there.images(), expected)
        assert waits.total <= 1 + sum(map(len, found)) // 8
    assert torch.equal(X, problem().x)
