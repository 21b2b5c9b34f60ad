"""Trains the networks of `dlcli attack` that are not trained yet, or loads them from the cache."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from dlcli.core.compute.device import choose_device
from dlcli.core.compute.executor import Cluster, run_jobs
from dlcli.core.compute.worker_plan import WorkerPlan, plan_workers
from dlcli.core.data.base import ImageData
from dlcli.core.model_io.cached import (
    Member,
    MemberPlan,
    UncachedWeights,
    add_to_cache,
    is_cached,
    train_or_load,
    train_uncached,
)
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
    count networks trained in this run and taken from the cache. `notes` tell on which GPUs, if there are several. `own` are the
    weights of the networks that are trained here, by name.
    """

    baseline: nn.Module | None
    members: tuple[nn.Module, ...]
    sha256: str
    trained: int
    reused: int
    notes: tuple[str, ...] = ()
    own: Mapping[str, Mapping[str, torch.Tensor]] = field(default_factory=dict)


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
        return train_or_load(self._planned(name), cache=_cache(), report=report)

    def __call__(self, name: str, report: Reporter) -> UncachedWeights:
        """Train the network in a worker."""
        return train_uncached(self._planned(name), report)

    def add(self, name: str, found: UncachedWeights, report: Reporter) -> None:
        """Keep what a worker trained in the cache."""
        add_to_cache(found, self._planned(name), cache=_cache(), alike=self.config.cluster is not None, report=report)

    def missing(self) -> list[str]:
        """The names of the networks that the cache does not hold."""
        return [name for name in self.names if not is_cached(self._planned(name), _cache())]

    def _planned(self, name: str) -> MemberPlan:
        network = self.networks.baseline if name == BASELINE else self.networks.ensemble
        assert isinstance(network, Untrained)  # noqa: S101 - for the type checker: `names` has no others
        return MemberPlan(
            arch=network.arch,
            data=self.data,
            recipe=network.recipe,
            seed=self.config.seed,
            name=name,
            bootstrap=name != BASELINE,
            device=self.device,
        )

    def plan_processes(self, names: list[str]) -> WorkerPlan:
        """The processes that train these networks: several only where there are several GPUs."""
        plan = plan_workers(len(names), self.device, held=_COPIES * self.data.memory_bytes)
        workers = min(len(names), self.config.workers or 1)
        return plan if plan.gpus else WorkerPlan(workers, torch.get_num_threads())


def _reopened(config: AttackConfig, fingerprint: str) -> NetworkTraining:
    device = choose_device(config.device)
    data = read_images(config, SILENT)
    if data.fingerprint != fingerprint:
        raise InputError(f"{data.name}: the data changed while they were read", hint="start again when nothing writes to them")
    return NetworkTraining(config, data, open_networks(config, data, device), device)


def _cache() -> Path:
    return cache_dir() / "models"


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
    elsewhere, notes = _train_elsewhere(training, report)
    n = len(training.names)
    fitted = {name: training.fit(name, _Numbered(report, k, n)) for k, name in enumerate(training.names, 1)}
    reused = sum(one.reused and name not in elsewhere for name, one in fitted.items())
    return assembled(networks, data, outputs, fitted, reused=reused, notes=notes)


def assembled(
    networks: Networks,
    data: ImageData,
    outputs: tuple[str, ...],
    fitted: Mapping[str, Member],
    *,
    reused: int = 0,
    notes: tuple[str, ...] = (),
) -> LoadedNetworks:
    """The networks of a run, from those that are trained here and those that were opened.

    Args:
        networks: What `open_networks` returned.
        data: The data.
        outputs: The order of classes that every network's outputs are put in.
        fitted: The networks that are trained here, by name.
        reused: How many of these came from the cache.
        notes: On where they were trained.
    """
    first, ensemble, baseline, sha256 = networks.baseline, networks.ensemble, None, ""
    if isinstance(first, TrainedNetwork):
        baseline, sha256 = align_outputs(first.model, first.classes or data.classes, outputs), first.sha256
    elif first is not None:
        baseline, sha256 = align_outputs(fitted[BASELINE].model, data.classes, outputs), fitted[BASELINE].sha256
    if isinstance(ensemble, TrainedNetwork):
        members, sha256 = ensemble.members, ensemble.sha256
    else:
        members = tuple(one.model for name, one in fitted.items() if name != BASELINE)
    own = {name: {key: value.cpu() for key, value in one.model.state_dict().items()} for name, one in fitted.items()}
    return LoadedNetworks(baseline, members, sha256, len(fitted) - reused, reused, notes, own)


def _train_elsewhere(training: NetworkTraining, report: Reporter) -> tuple[set[str], tuple[str, ...]]:
    """Train what the cache lacks in other processes, if several run at a time or on a cluster: the names, and a note."""
    config, names = training.config, training.names
    plan = training.plan_processes(names)
    if config.cluster is None and plan.workers < 2:
        return set(), ()
    names = training.missing()
    plan = training.plan_processes(names)
    if not names or (config.cluster is None and plan.workers < 2):
        return set(), ()
    where = f"{count(len(names), 'network')} on {plan.describe_devices(training.device)}"
    if plan.gpus and config.cluster is None:
        report.note(f"training {where}")
    found = run_jobs(
        training,
        names,
        workers=plan.workers,
        threads=plan.threads,
        gpus=plan.gpus,
        cluster=Cluster.of(config.cluster, config.workers, training.device),
        report=Unstoppable(report),
        label="training networks",
        store=lambda place, one: training.add(names[place], one, report),
    )
    note = (f"Trained {where}.",) if plan.gpus and config.cluster is None else ()
    return {name for name, one in zip(names, found, strict=True) if one is not None}, note
