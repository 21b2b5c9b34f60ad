"""Jobs on the nodes of a Ray cluster, with the promises of `in_parallel`: the same results, and one message for one failure."""

import math
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import islice
from types import ModuleType
from typing import Any, TypeVar

from dlcli.core.compute.executor import mailbox as mailbox_module
from dlcli.core.compute.executor import node_facts as facts_module
from dlcli.core.compute.executor.jobs import Cluster
from dlcli.core.compute.executor.ray_address import cluster_address
from dlcli.core.compute.executor.ray_connection import connected
from dlcli.core.compute.workers import DeduplicatedReporter, rebuilt_error
from dlcli.support.errors import InputError, ResourceError
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter, Task
from dlcli.support.trust import current_trust

J = TypeVar("J")
R = TypeVar("R")

_RETRIES = 3
"""How often a job starts again whose node or process was lost."""
_POLL_S = 0.2
_GRACE_S = 5.0
"""Seconds that jobs have to stop before they are ended."""
_FACTS_S = 60.0
"""Seconds in which a node has to answer."""
_JOINED_S = 15.0
"""Seconds after which a node that has joined is known to all others."""


def on_cluster(
    function: Callable[[J, Reporter], R | None],
    jobs: Sequence[J],
    *,
    cluster: Cluster,
    threads: int,
    report: Reporter,
    label: str = "",
    store: Callable[[int, R], None] = lambda number, result: None,
) -> list[R | None]:
    """Map `function` over `jobs` on a cluster; see `run_jobs`.

    Args:
        function: Called on the nodes.
        jobs: Started in this order.
        cluster: Where they run.
        threads: Of each job.
        report: Receives what jobs report.
        label: What several jobs are.
        store: Called with each result.
    """
    report = DeduplicatedReporter(report)
    where = cluster_address(cluster.address)
    if not jobs:
        return []
    counting = report.task(label, len(jobs)) if label and len(jobs) > 1 else SILENT.task(label)
    with connected(where) as ray, report.stoppable() as stop, counting as counted:
        nodes = _Nodes(ray)
        nodes.check_alike()
        run = _Run(ray, report, stop, counted, store)
        try:
            return run.all(function, jobs, nodes, _setting(threads, gpu=cluster.gpu), cluster.most)
        finally:
            run.end()


def _setting(threads: int, *, gpu: bool) -> Any:
    from dlcli.core.compute.executor.ray_worker import Setting  # here, since it imports ray

    hidden = any(found[:3] == ("ignore", None, Warning) for found in warnings.filters[:1])
    paths = tuple(path or os.getcwd() for path in sys.path)
    return Setting(os.getcwd(), paths, threads, gpu, hidden, current_trust())


class _Nodes:
    """The nodes of the cluster that run jobs."""

    def __init__(self, ray: ModuleType) -> None:
        self.ray = ray
        alive = [node for node in ray.nodes() if node["Alive"]]
        self.names = {node["NodeID"]: node["NodeManagerAddress"] for node in alive}
        self.cpus = {node["NodeID"]: float(node["Resources"].get("CPU", 0)) for node in alive}
        self.workers = [node for node, cpus in self.cpus.items() if cpus > 0]
        if not self.workers:
            raise ResourceError(
                "`cluster`: no node of it has a CPU for jobs", hint="start Ray on one, with the address of the head"
            )

    def on(self, node: str) -> Any:
        """Where to run a task so that it runs on this node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)

    def check_alike(self) -> None:
        """Raise InputError if a node has other versions or another CPU than this process, for then results would differ."""
        cloudpickle = self.ray.cloudpickle
        cloudpickle.register_pickle_by_value(facts_module)
        try:
            ask = self.ray.remote(num_cpus=0, max_retries=0)(facts_module.node_facts)
            asked = {node: ask.options(scheduling_strategy=self.on(node)).remote() for node in self.workers}
            answers = {node: self._answer(node, ref, ask) for node, ref in asked.items()}
        finally:
            cloudpickle.unregister_pickle_by_value(facts_module)
        self.workers = [node for node in self.workers if answers[node] is not None]
        if not self.workers:
            raise ResourceError("`cluster`: all its nodes were lost", hint="start Ray on one, with the address of the head")
        here = facts_module.node_facts()
        for node in self.workers:
            found = answers[node]
            other = [f"{name} {found.get(name)}, here {value}" for name, value in here.items() if found.get(name) != value]
            if other:
                hint = "install the same on all nodes, and use nodes with the same kind of CPU"
                raise InputError(f"node {self.names[node]} ({node[:8]}) differs: {'; '.join(other)}", hint=hint)

    def _answer(self, node: str, ref: Any, ask: Any) -> Any:
        """What a node answers; None if it has been lost. One that has just joined may not be known yet, and is asked again."""
        deadline = time.monotonic() + _JOINED_S
        while True:
            try:
                return _answer(self.ray, ref, self.names[node])
            except ResourceError:
                if node not in {one["NodeID"] for one in self.ray.nodes() if one["Alive"]}:
                    return None
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)
            ref = ask.options(scheduling_strategy=self.on(node)).remote()


def _answer(ray: ModuleType, ref: Any, name: str) -> Any:
    """What a task on a node returns."""
    from ray import exceptions

    try:
        return ray.get(ref, timeout=_FACTS_S)
    except exceptions.RayError as error:
        hint = "look at its logs, or take it out of the cluster"
        raise ResourceError(f"node {name} of the cluster does not answer: {type(error).__name__}", hint=hint) from None


class _Run:
    """The jobs of a call: starts them, forwards what they report, and collects the results."""

    def __init__(
        self,
        ray: ModuleType,
        report: Reporter,
        stop: Callable[[], bool],
        counted: Task,
        store: Callable[[int, Any], None],
    ) -> None:
        self.ray, self.report, self.stop, self.counted, self.store = ray, report, stop, counted, store
        self.mailbox = self._mailbox()
        self.running: dict[Any, int] = {}
        self.failure: BaseException | None = None
        self.stopping, self.deadline = False, math.inf
        self.messages = _Messages(report)

    def _mailbox(self) -> Any:
        """The mailbox on the node of this process: if that is lost, all is."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        cloudpickle = self.ray.cloudpickle
        cloudpickle.register_pickle_by_value(mailbox_module)
        try:
            return self.ray.remote(num_cpus=0, scheduling_strategy=here)(mailbox_module.Mailbox).remote()
        finally:
            cloudpickle.unregister_pickle_by_value(mailbox_module)

    def all(
        self, function: Callable[..., Any], jobs: Sequence[Any], nodes: _Nodes, setting: Any, most: int | None
    ) -> list[Any]:
        """The results of all jobs, in order."""
        from dlcli.core.compute.executor import ray_worker

        packed, resources = self.ray.put(pickle.dumps(function)), {"num_cpus": setting.threads, "num_gpus": int(setting.gpu)}
        if max(nodes.cpus[node] for node in nodes.workers) < setting.threads:
            message = f"`cluster`: no node has {count(setting.threads, 'CPU')}, as many as each job has threads"
            raise ResourceError(message, hint="set OMP_NUM_THREADS=1 for less threads")
        self._open_everywhere(packed, nodes, setting)
        run = self.ray.remote(max_retries=_RETRIES, **resources)(ray_worker.run_job)
        results: list[Any] = [None] * len(jobs)
        waiting = enumerate(jobs)
        while True:
            free = 0 if self.stopping else (most or len(jobs)) - len(self.running)
            for number, job in islice(waiting, free):
                self.running[run.remote(packed, pickle.dumps(job), number, setting, self.mailbox)] = number
            if not self.running or time.monotonic() > self.deadline:
                break
            self._step(results, nodes)
        if self.failure is not None:
            raise self.failure
        return results

    def _open_everywhere(self, packed: Any, nodes: _Nodes, setting: Any) -> None:
        """Open the input on every node before the first job, so that one that cannot read it is named at once."""
        from dlcli.core.compute.executor import ray_worker

        opening = self.ray.remote(num_cpus=0, max_retries=_RETRIES)(ray_worker.open_here)
        asked = [opening.options(scheduling_strategy=nodes.on(node)).remote(packed, setting) for node in nodes.workers]
        for ref, node in zip(asked, nodes.workers, strict=True):
            with suppress(ResourceError):  # a node that is lost now is not needed
                kind, *content = pickle.loads(_answer(self.ray, ref, nodes.names[node]))  # noqa: S301 - a trusted cluster
                if kind != "result":
                    raise rebuilt_error(*content) if kind == "dlcli error" else content[0]

    def _step(self, results: list[Any], nodes: _Nodes) -> None:
        ready, _ = self.ray.wait(list(self.running), timeout=_POLL_S)
        if self.stop():
            self._stop_all()
        self._forward()
        for ref in ready:
            number = self.running.pop(ref)
            kind, *content = self._received(ref, number, nodes)
            if kind == "result":
                self._store(results, number, content[0])
            elif not self.stopping:
                self.failure = rebuilt_error(*content) if kind == "dlcli error" else content[0]
                self._stop_all()

    def _received(self, ref: Any, number: int, nodes: _Nodes) -> list[Any]:
        from ray import exceptions

        try:
            return list(pickle.loads(self.ray.get(ref)))  # noqa: S301 - a trusted cluster
        except exceptions.TaskCancelledError:
            return ["result", None]
        except exceptions.RayError as error:
            last = self.messages.nodes.get(number)
            where = "a node of the cluster" if last is None else f"node {last}"
            reason = type(error).__name__.removesuffix("Error")
            message = f"{where} was lost {_RETRIES + 1} times while it ran a job ({reason})"
            return ["exception", ResourceError(message, hint="it may have run out of memory; its logs say more")]

    def _forward(self) -> None:
        for message in self.ray.get(self.mailbox.take.remote()):
            self.messages.forward(*message)

    def _store(self, results: list[Any], number: int, result: Any) -> None:
        results[number] = result
        if result is None:
            self._stop_all()
            return
        self.store(number, result)
        self.counted.advance()

    def _stop_all(self) -> None:
        """Start no more jobs, and ask those that run to stop; what still runs after the grace period is ended."""
        if self.stopping:
            return
        self.stopping, self.deadline = True, time.monotonic() + _GRACE_S
        self.mailbox.halt.remote()
        for ref, number in self.running.items():
            if number not in self.messages.nodes:
                self.ray.cancel(ref)

    def end(self) -> None:
        """End what still runs, and close the tasks that are shown."""
        for ref in self.running:
            with suppress(Exception):
                self.ray.cancel(ref, force=True)
        with suppress(Exception):
            self.ray.kill(self.mailbox)
        self.messages.close()


class _Messages:
    """What jobs report, by attempt: of a job that starts again, the tasks of the attempt before are closed first."""

    def __init__(self, report: Reporter) -> None:
        self.report = report
        self.nodes: dict[int, str] = {}
        self._tasks: dict[tuple[int, str, int], tuple[AbstractContextManager[Task], Task]] = {}

    def forward(self, job: int, attempt: str, kind: str, *content: Any) -> None:
        """Pass a message on to the reporter."""
        if kind == "where":
            self._close(lambda key: key[0] == job)
            self.nodes[job] = f"{content[1]} ({content[0][:8]})"
        elif kind in ("note", "warn"):
            getattr(self.report, kind)(content[0])
        elif kind == "log":
            run, epoch, figures, final = content
            self.report.log(run, epoch, figures, final=final)
        elif kind == "begin":
            opened = self.report.task(*content[1:])
            self._tasks[job, attempt, content[0]] = opened, opened.__enter__()
        elif kind == "progress" and (found := self._tasks.get((job, attempt, content[0]))):
            found[1].set_status(content[2])
            found[1].advance(content[1])
        elif kind == "end":
            self._close(lambda key: key == (job, attempt, content[0]))

    def _close(self, chosen: Callable[[tuple[int, str, int]], bool]) -> None:
        for key in [key for key in self._tasks if chosen(key)]:
            self._tasks.pop(key)[0].__exit__(None, None, None)

    def close(self) -> None:
        """Close all tasks that are shown."""
        self._close(lambda key: True)
