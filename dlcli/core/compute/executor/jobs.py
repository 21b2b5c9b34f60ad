"""The one way to run independent jobs, wherever they run."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from dlcli.core.compute.workers import in_parallel
from dlcli.support.reporter import Reporter

if TYPE_CHECKING:  # jobs that do not use torch must not wait for it
    import torch

J = TypeVar("J")
R = TypeVar("R")


class Cluster(NamedTuple):
    """Where jobs run that do not run on this machine.

    Attributes:
        address: HOST:PORT of the head of a Ray cluster, or `auto` for that of RAY_ADDRESS.
        most: How many jobs run at a time at most; None for as many as the cluster has room for.
        gpu: Whether each job takes a GPU.
    """

    address: str
    most: int | None = None
    gpu: bool = False

    @classmethod
    def of(cls, address: str | None, workers: int | None, device: "torch.device") -> Self | None:
        """The cluster that the options `cluster` and `workers` mean for jobs on `device`; None without one."""
        return None if address is None else cls(address, workers, device.type == "cuda")


def run_jobs(
    function: Callable[[J, Reporter], R | None],
    jobs: Sequence[J],
    *,
    workers: int,
    threads: int,
    gpus: "Sequence[torch.device]" = (),
    cluster: Cluster | None = None,
    report: Reporter,
    label: str = "",
    store: Callable[[int, R], None] = lambda number, result: None,
) -> list[R | None]:
    """Map `function` over `jobs`, several at a time.

    Args:
        function: Called as `function(job, report)`, as `in_parallel` has it. It writes nothing: it may run on another machine,
            and again if that one fails.
        jobs: Started in this order. After a stop no more are started.
        workers: How many run at a time on this machine.
        threads: CPU threads of torch per job, anywhere.
        gpus: The GPUs of this machine that the workers take in turn, as `in_parallel` has it.
        cluster: None for processes of this machine.
        report: Receives notes, warnings and progress of all jobs; the same note or warning only once.
        label: What several jobs are, for a task that counts them.
        store: Called in this process with the number of a job and its result, as soon as it has one, in any order.

    Returns:
        The results in the order of `jobs`; None for jobs that were stopped or not started.

    Raises:
        ResourceError: If a worker process is killed, the cluster cannot be reached, or a node is lost again and again.
        InputError: If the nodes of the cluster differ in what results depend on, or cannot read the input.
        Exception: What `function` raises, with its type, message and hint, once the other jobs have stopped.
    """
    if cluster is None:
        return in_parallel(function, jobs, workers=workers, threads=threads, gpus=gpus, report=report, label=label, store=store)
    from dlcli.core.compute.executor.ray_jobs import on_cluster  # here, since Ray is an extra

    return on_cluster(function, jobs, cluster=cluster, threads=threads, report=report, label=label, store=store)
