"""How jobs are divided among cores and GPUs."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.compute import cores, worker_plan
from dlcli.core.compute.device import choose_device
from dlcli.core.compute.worker_plan import plan_workers

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cores", "jobs", "wanted", "expected"),
    [
        (2, 10, None, (2, 1)),
        (8, 4, None, (4, 2)),
        (8, 3, None, (3, 2)),
        (8, 1, None, (1, 8)),
        (1, 10, None, (1, 1)),
        (8, 10, 2, (2, 1)),
        (2, 10, 5, (5, 1)),
        (2, 3, 5, (3, 1)),
    ],
)
def test_cores_are_divided_among_the_jobs(monkeypatch, cores: int, jobs: int, wanted: int | None, expected: tuple):
    monkeypatch.setattr(worker_plan, "_cores", lambda: cores)
    monkeypatch.setattr(worker_plan, "available_memory", lambda: None)
    assert plan_workers(jobs, CPU, wanted=wanted) == (*expected, ())


@given(cores=st.integers(1, 64), jobs=st.integers(1, 50), held=st.integers(0, 10**10), available=st.integers(0, 10**11))
def test_a_plan_never_exceeds_cores_or_memory(cores: int, jobs: int, held: int, available: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_plan, "_cores", lambda: cores)
        patch.setattr(worker_plan, "available_memory", lambda: available)
        number, threads, gpus = plan_workers(jobs, CPU, held=held)
        assert 1 <= number <= jobs and threads >= 1 and number * threads <= cores and gpus == ()
        assert number == 1 or number * held <= available
        patch.setattr(worker_plan, "available_memory", lambda: None)
        assert {plan_workers(jobs, CPU, wanted=wanted)[1] for wanted in (None, 1, 7)} == {threads}


def test_cores_are_the_least_of_threads_affinity_and_cgroup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(cores, "_CGROUP_LIMIT", quota)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert worker_plan._cores() == 6
    for text, expected in (("max 100000\n", 6), ("250000 100000\n", 3), ("50000 100000\n", 1)):
        quota.write_text(text)
        assert worker_plan._cores() == expected
    quota.unlink()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert worker_plan._cores() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert cores.available_cores() == worker_plan._cores() == 2


@pytest.fixture
def machine(gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine with GPUs of these models, and memory for any number of workers."""
    monkeypatch.setattr(worker_plan, "available_memory", lambda: None)
    return gpus


FOUR = ("H100",) * 4


@pytest.mark.parametrize(
    ("names", "device", "jobs", "wanted", "workers", "spread"),
    [
        (FOUR, "auto", 10, None, 4, [0, 1, 2, 3]),
        (FOUR, "cuda", 10, None, 4, [0, 1, 2, 3]),
        (FOUR, "cuda", 3, None, 3, [0, 1, 2]),
        (FOUR, "cuda", 1, None, 1, []),
        (FOUR, "cuda", 0, None, 0, []),
        (FOUR, "cuda", 10, 1, 1, []),
        (FOUR, "cuda", 10, 2, 2, [0, 1]),
        (FOUR, "cuda", 10, 6, 6, [0, 1, 2, 3]),
        (FOUR, "cuda:2", 10, None, 1, []),
        (FOUR, "cuda:2", 10, 3, 3, []),
        (FOUR[:1], "cuda", 10, None, 1, []),
        (FOUR[:1], "cuda", 10, 3, 3, []),
        (("H100", "T4", "H100"), "cuda", 10, None, 2, [0, 2]),
        (("H100", "T4"), "cuda", 10, None, 1, []),
        (FOUR, "cpu", 10, 2, 2, []),
    ],
)
def test_cuda_without_an_index_is_every_gpu_of_a_model(
    machine, names: Sequence[str], device: str, jobs: int, wanted: int | None, workers: int, spread: list[int]
):
    machine(*names)
    found = plan_workers(jobs, choose_device(device), wanted=wanted)
    assert (found.workers, [gpu.index for gpu in found.gpus]) == (workers, spread)
    assert all(gpu.type == "cuda" for gpu in found.gpus)


def test_threads_on_gpus_depend_neither_on_their_number_nor_on_jobs_or_workers(machine):
    """They are in the keys of trained networks."""
    found = set()
    for names, jobs, wanted in ((FOUR, 10, None), (FOUR, 2, None), (FOUR[:1], 10, None), (FOUR, 10, 3), (FOUR, 10, 9)):
        machine(*names)
        found |= {plan_workers(jobs, torch.device(device), wanted=wanted).threads for device in ("cuda", "cuda:0")}
    assert found == {torch.get_num_threads()}


def test_memory_bounds_the_workers_of_gpus_too(machine, monkeypatch: pytest.MonkeyPatch):
    machine(*FOUR)
    monkeypatch.setattr(worker_plan, "available_memory", lambda: 8 * 10**9)
    gpu = torch.device("cuda")
    assert [plan_workers(9, gpu, held=held * 10**9).workers for held in (0, 2, 3, 5, 20)] == [4, 3, 2, 1, 1]
    assert plan_workers(9, gpu, held=20 * 10**9, wanted=4).workers == 4


def test_a_plan_names_its_devices(machine):
    machine(*FOUR)
    cases = {("cuda", 10): "cuda:0, cuda:1, cuda:2, cuda:3 H100", ("cuda", 1): "cuda:0 H100", ("cuda:2", 10): "cuda:2 H100"}
    for (device, jobs), expected in cases.items():
        where = torch.device(device)
        assert plan_workers(jobs, where).describe_devices(where) == expected
    assert plan_workers(10, CPU).describe_devices(CPU).startswith("cpu (")
