"""Predictions for a split by other processes, of this machine or of a cluster: some hundred examples a job.

An example meets the same others in its batch as in one process, and each job has one thread, so the logits are the same bit for
bit whatever the number of processes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from dlcli.core.compute.batches import parts_apart
from dlcli.core.compute.executor import Cluster, run_jobs
from dlcli.core.compute.forward import BATCH_SIZE
from dlcli.core.compute.worker_plan import plan_workers
from dlcli.engines.model_and_data import LoadedModel, open_model_and_data
from dlcli.specs.model_and_data import ModelAndDataOptions
from dlcli.specs.spread import spread_option
from dlcli.support.errors import InputError
from dlcli.support.reporter import SILENT, Reporter, Unstoppable

_Weights = Mapping[str, Tensor]
J = TypeVar("J")
T = TypeVar("T")


class _Part(NamedTuple):
    """The examples of a split whose logits are wanted."""

    split: str
    rows: slice


def _logits(loaded: LoadedModel, part: _Part) -> Tensor:
    return loaded.raw_logits(loaded.data.splits[part.split].x[part.rows])


@dataclass(frozen=True)
class _Prediction(Generic[J, T]):
    """Calls a function, given its job; pickled it has the weights of a network trained here, and reads all else again."""

    config: ModelAndDataOptions
    loaded: LoadedModel
    unlabelled: bool
    function: Callable[[LoadedModel, J], T]

    def __reduce__(self) -> tuple[object, ...]:
        own = self.loaded.trained.model.state_dict() if self.config.model is None else None
        alike = (self.loaded.data.fingerprint, self.loaded.trained.sha256)
        return _reopened, (self.config, self.unlabelled, alike, own, self.function)

    def __call__(self, job: J, report: Reporter) -> T:
        return self.function(self.loaded, job)


@dataclass(frozen=True)
class PredictingProcesses:
    """See `Elsewhere`.

    Attributes:
        config: The network and the data, `workers` and `cluster`.
        unlabelled: Whether files without labels are accepted.
        report: Receives progress.
    """

    config: ModelAndDataOptions
    unlabelled: bool
    report: Reporter

    def logits(self, loaded: LoadedModel, split: str) -> Tensor:
        """See `Elsewhere`."""
        parts = parts_apart(loaded.split(split).x, BATCH_SIZE, loaded.device)
        return torch.cat(
            self.map(loaded, _logits, [_Part(split, part) for part in parts], f"predicting the {split} set, parts")
        )

    def map(self, loaded: LoadedModel, function: Callable[[LoadedModel, J], T], jobs: Sequence[J], label: str) -> list[T]:
        """See `Elsewhere`.

        Args:
            loaded: What is opened here.
            function: At the top of a module.
            jobs: Small.
            label: What is done, for progress.
        """
        config, device = self.config, loaded.device
        processes = plan_workers(len(jobs), device, wanted=getattr(config, "workers", None))
        found = run_jobs(
            _Prediction(config, replace(loaded, elsewhere=None), self.unlabelled, function),
            list(jobs),
            workers=processes.workers,
            threads=1 if device.type == "cpu" else processes.threads,
            gpus=processes.gpus,
            cluster=Cluster.of(getattr(config, "cluster", None), getattr(config, "workers", None), device),
            report=Unstoppable(self.report),
            label=label,
        )
        return [one for one in found if one is not None]


def open_to_predict(config: ModelAndDataOptions, report: Reporter, *, unlabelled: bool = False) -> LoadedModel:
    """`open_model_and_data`, with several processes that predict if the options ask for them.

    Args:
        config: The network and the data.
        report: Receives progress, notes and warnings.
        unlabelled: Accept files without labels.
    """
    loaded = open_model_and_data(config, report, unlabelled=unlabelled)
    return replace(loaded, elsewhere=PredictingProcesses(config, unlabelled, report)) if spread_option(config) else loaded


def _reopened(
    config: ModelAndDataOptions,
    unlabelled: bool,
    alike: tuple[str, str],
    own: _Weights | None,
    function: Callable[[LoadedModel, J], T],
) -> _Prediction[J, T]:
    loaded = open_model_and_data(config, SILENT, unlabelled=unlabelled, look=False, weights=own)
    fingerprint, sha256 = alike
    if loaded.data.fingerprint != fingerprint:
        raise InputError(f"{loaded.data.name}: the data are others there", hint="start again when nothing writes to them")
    if loaded.trained.sha256 != sha256:
        raise InputError(f"{config.model}: the weights are others there", hint="start again when nothing writes to them")
    return _Prediction(config, loaded, unlabelled, function)
