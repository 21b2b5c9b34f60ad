"""Trains the networks of `dlcli attack` that are not trained yet, or loads them from the cache."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.worker_plan import WorkerPlan, plan_workers
from dlcli.core.compute.workers import in_parallel
from dlcli.core.data.base import ImageData
from dlcli.core.model_io.cached import Member, is_cached, train_or_load
from dlcli.core.model_io.trained import TrainedNetwork
from dlcli.engines.attack.networks import BASELINE, Networks, Untrained, align_outputs, open_networks, read_images
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import InputError
from dlcli.support.paths import cache_dir
from dlcli.support.plural import count
from dlcli.support.reporter import SILENT, Reporter, Task, Unstoppable

_COPIES = 3
"""Of the images in a worker, at most: as read, a member's own, and in the order in which the device takes them."""


@dataclass(frozen=True)
class LoadedNetworks:
    """The networks in evaluation mode on their device, all with the same order of outputs.

    `sha256` is that of the network under attack, for an ensemble trained here that of the baseline. `trained` and `reused`
    count networks trained in this run and taken from the cache. `notes` tell on which GPUs, if there are several.
    """

    baseline: nn.Module | None
    members: tuple[nn.Module, ...]
    sha256: str
    trained: int
    reused: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkTraining:
    """Trains a network of the run, given its name, or loads it from the cache.

    When it is pickled for another process the data are dropped and read again there, for they may be large.
    """

    config: AttackConfig
    data: ImageData
    networks: Networks
    device: torch.device

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (self.config, self.data.fingerprint)

    @property
    def names(self) -> list[str]:
        """The networks that are not opened as trained: the baseline, then the members."""
        own = [BASELINE] if isinstance(self.networks.baseline, Untrained) else []
        members = self.networks.members if isinstance(self.networks.ensemble, Untrained) else 0
        return own + [f"member-{number}" for number in range(members)]

    def fit(self, name: str, report: Reporter) -> Member:
        """Train the network of this name, or load it from the cache."""
        return train_or_load(**self._arguments(name), report=report)

    def __call__(self, name: str, report: Reporter) -> bool:
        """Train the network into the cache, in a worker; returns whether it was trained."""
        return not self.fit(name, report).reused

    def missing(self) -> list[str]:
        """The names of the networks that the cache does not hold."""
        return [name for name in self.names if not is_cached(**self._arguments(name))]

    def _arguments(self, name: str) -> dict[str, Any]:
        network = self.networks.baseline if name == BASELINE else self.networks.ensemble
        assert isinstance(network, Untrained)  # noqa: S101 - for the type checker: `names` has no others
        return {
            "arch": network.arch,
            "data": self.data,
            "recipe": network.recipe,
            "seed": self.config.seed,
            "name": name,
            "bootstrap": name != BASELINE,
            "device": self.device,
            "cache": cache_dir() / "models",
        }

    def plan_processes(self, names: list[str]) -> WorkerPlan:
        """The processes that train these networks: several only where there are several GPUs."""
        plan = plan_workers(len(names), self.device, held=_COPIES * self.data.memory_bytes)
        return plan if plan.gpus else WorkerPlan(1, torch.get_num_threads())


def _reopened(config: AttackConfig, fingerprint: str) -> NetworkTraining:
    device = choose_device(config.device)
    data = read_images(config, SILENT)
    if data.fingerprint != fingerprint:
        raise InputError(f"{data.name}: the data changed while they were read", hint="start again when nothing writes to them")
    return NetworkTraining(config, data, open_networks(config, data, device), device)


class _Numbered:
    """A reporter whose tasks are called by the number of the network, of all that are opened."""

    def __init__(self, report: Reporter, number: int, total: int) -> None:
        self.note, self.warn, self.stoppable, self.log = report.note, report.warn, report.stoppable, report.log
        self._report, self._label = report, f"training {number} of {count(total, 'network')}, steps"

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._report.task(self._label, total)


def load_networks(
    networks: Networks, config: AttackConfig, data: ImageData, outputs: tuple[str, ...], device: torch.device, report: Reporter
) -> LoadedNetworks:
    """Train the networks that are not trained yet, or load them from the cache.

    Args:
        networks: What `open_networks` returned.
        config: For the seed.
        data: The data to train on.
        outputs: The order of classes that every network's outputs are put in.
        device: Where they are trained; `cuda` without an index is all GPUs of a kind, one network at a time on each.
        report: Receives the progress of training.
    """
    training = NetworkTraining(config, data, networks, device)
    elsewhere, notes = _train_on_gpus(training, report)
    n = len(training.names)
    fitted = {name: training.fit(name, _Numbered(report, k, n)) for k, name in enumerate(training.names, 1)}
    first, ensemble, baseline, sha256 = networks.baseline, networks.ensemble, None, ""
    if isinstance(first, TrainedNetwork):
        baseline, sha256 = align_outputs(first.model, first.classes or data.classes, outputs), first.sha256
    elif first is not None:
        baseline, sha256 = align_outputs(fitted[BASELINE].model, data.classes, outputs), fitted[BASELINE].sha256
    if isinstance(ensemble, TrainedNetwork):
        members, sha256 = ensemble.members, ensemble.sha256
    else:
        members = tuple(one.model for name, one in fitted.items() if name != BASELINE)
    reused = sum(one.reused and name not in elsewhere for name, one in fitted.items())
    return LoadedNetworks(baseline, members, sha256, len(fitted) - reused, reused, notes)


def _train_on_gpus(training: NetworkTraining, report: Reporter) -> tuple[set[str], tuple[str, ...]]:
    """Where there are several GPUs, train what the cache lacks into it, one process per GPU; the names, and a note."""
    if not training.plan_processes(training.names).gpus:
        return set(), ()
    names = training.missing()
    workers, threads, gpus = plan = training.plan_processes(names)
    if not gpus:
        return set(), ()
    where = f"{count(len(names), 'network')} on {plan.describe_devices(training.device)}"
    report.note(f"training {where}")
    found = in_parallel(
        training, names, workers=workers, threads=threads, gpus=gpus, report=Unstoppable(report), label="training networks"
    )
    return {name for name, trained in zip(names, found, strict=True) if trained}, (f"Trained {where}.",)
