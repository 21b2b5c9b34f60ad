"""Predictions for a split by other processes, of this machine or of a cluster: some hundred examples a job.

An example meets the same others in its batch as in one process, and each job has one thread, so the logits are the same bit for
bit whatever the number of processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class _Job:
    """The examples of a split whose logits are wanted."""

    split: str
    rows: slice


@dataclass(frozen=True)
class _Prediction:
    """Predicts examples, given its job; pickled it has the weights of a network trained here, and reads all else again."""

    config: ModelAndDataOptions
    loaded: LoadedModel
    unlabelled: bool

    def __reduce__(self) -> tuple[object, ...]:
        own = self.loaded.trained.model.state_dict() if self.config.model is None else None
        alike = (self.loaded.data.fingerprint, self.loaded.trained.sha256)
        return _reopened, (self.config, self.unlabelled, alike, own)

    def __call__(self, job: _Job, report: Reporter) -> Tensor:
        return self.loaded.raw_logits(self.loaded.data.splits[job.split].x[job.rows])


@dataclass(frozen=True)
class SpreadLogits:
    """Predicts the examples of a split in several processes.

    Attributes:
        config: The network and the data, `workers` and `cluster`.
        unlabelled: Whether files without labels are accepted.
        report: Receives progress.
    """

    config: ModelAndDataOptions
    unlabelled: bool
    report: Reporter

    def __call__(self, loaded: LoadedModel, split: str) -> Tensor:
        """The logits of `loaded` for the examples of a split, (n, outputs), as `raw_logits` gives them."""
        config, device = self.config, loaded.device
        parts = parts_apart(loaded.split(split).x, BATCH_SIZE, device)
        processes = plan_workers(len(parts), device, wanted=getattr(config, "workers", None))
        found = run_jobs(
            _Prediction(config, replace(loaded, spread=None), self.unlabelled),
            [_Job(split, part) for part in parts],
            workers=processes.workers,
            threads=1 if device.type == "cpu" else processes.threads,
            gpus=processes.gpus,
            cluster=Cluster.of(getattr(config, "cluster", None), getattr(config, "workers", None), device),
            report=Unstoppable(self.report),
            label=f"predicting the {split} set, parts",
        )
        return torch.cat([part for part in found if part is not None])


def open_to_predict(config: ModelAndDataOptions, report: Reporter, *, unlabelled: bool = False) -> LoadedModel:
    """`open_model_and_data`, with a network whose `split_logits` several processes predict if the options ask for them.

    Args:
        config: The network and the data.
        report: Receives progress, notes and warnings.
        unlabelled: Accept files without labels.
    """
    loaded = open_model_and_data(config, report, unlabelled=unlabelled)
    return replace(loaded, spread=SpreadLogits(config, unlabelled, report)) if spread_option(config) else loaded


def _reopened(config: ModelAndDataOptions, unlabelled: bool, alike: tuple[str, str], own: _Weights | None) -> _Prediction:
    loaded = open_model_and_data(config, SILENT, unlabelled=unlabelled, look=False, weights=own)
    fingerprint, sha256 = alike
    if loaded.data.fingerprint != fingerprint:
        raise InputError(f"{loaded.data.name}: the data are others there", hint="start again when nothing writes to them")
    if loaded.trained.sha256 != sha256:
        raise InputError(f"{config.model}: the weights are others there", hint="start again when nothing writes to them")
    return _Prediction(config, loaded, unlabelled)
