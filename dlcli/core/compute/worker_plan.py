"""How many worker processes to start, with how many threads each, and on which GPUs."""

from typing import NamedTuple

import torch

from dlcli.core.compute.cores import available_cores
from dlcli.core.compute.device import describe_device, device_key
from dlcli.support.memory import available_memory

_WORKER_BYTES = 500_000_000
"""Memory of a worker without data: Python, torch and a small network."""


class WorkerPlan(NamedTuple):
    """How many worker processes to start, how many threads each of them uses, and over which GPUs they are spread.

    `gpus` is empty where all of them use the device of the run; else worker k uses `gpus[k % len(gpus)]`.
    """

    workers: int
    threads: int
    gpus: tuple[torch.device, ...] = ()

    def describe_devices(self, device: torch.device) -> str:
        """The devices of the workers for display, where that of the run is `device`."""
        *others, last = self.gpus or (device,)
        return ", ".join([*map(str, others), describe_device(last)])


def plan_workers(jobs: int, device: torch.device, *, wanted: int | None = None, held: int = 0) -> WorkerPlan:
    """Choose the number of workers, of threads per worker, and their GPUs.

    Args:
        jobs: Number of jobs to run.
        device: Device that the jobs use. By default a CPU gets one worker per core, and `cuda` without an index one per GPU.
        wanted: Number of workers to use instead of the default.
        held: Bytes of data that each worker holds; the default never exceeds what memory suffices for.

    Returns:
        Workers, at most one per job; threads per worker: on a CPU the cores divided among the jobs that can run at the same
        time; and their GPUs, if there are several.
    """
    if device.type != "cpu":
        gpus = _gpus(device)
        workers = min(jobs, wanted or _memory_bound(len(gpus), held + _WORKER_BYTES))
        # Not divided among the workers, unlike the cores of a CPU: hardly any time goes into these threads, and the keys of
        # trained networks contain their number, so it must not depend on how many GPUs there are.
        return WorkerPlan(workers, torch.get_num_threads(), gpus[:workers] if min(workers, len(gpus)) > 1 else ())
    cores = _cores()
    concurrent = max(1, min(jobs, cores))
    # The threads depend on jobs and cores only, never on `wanted` or memory: with another number of threads torch adds in
    # another order, sums are rounded differently, and the trained weights are no longer the same bit for bit.
    return WorkerPlan(min(jobs, wanted or _memory_bound(concurrent, held + _WORKER_BYTES)), cores // concurrent)


def _gpus(device: torch.device) -> tuple[torch.device, ...]:
    """The GPUs that `device` stands for: `cuda` without an index for all of the same kind as the first, where results agree."""
    if device.type != "cuda" or device.index is not None:
        return (device,)
    found = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return tuple(gpu for gpu in found if device_key(gpu) == device_key(found[0]))


def _cores() -> int:
    """The cores that this process may use, at most as many as torch has threads."""
    return min(torch.get_num_threads(), available_cores())


def _memory_bound(workers: int, bytes_each: int) -> int:
    available = available_memory()
    return workers if available is None else max(1, min(workers, available // bytes_each))
