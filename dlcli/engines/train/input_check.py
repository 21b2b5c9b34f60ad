"""Whether a network that comes with weights is fed as it was when these were trained, before it is trained further."""

from collections.abc import Iterable

import torch

from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import preserved
from dlcli.core.data.base import MASK, choose
from dlcli.core.evaluation.input_detective import diagnose_input, images_needed
from dlcli.core.evaluation.input_evidence import recorded_layers
from dlcli.engines.train.job import Job
from dlcli.specs.input_diagnosis import InputDiagnosis
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive


def warn_of_feeding(jobs: Iterable[Job], report: Reporter) -> None:
    """Warn if images seem to reach networks that come with weights otherwise than when these were trained.

    The statistics of batch normalisation decide: the last layer may be for other classes, so predictions tell nothing. That no
    way fits is only a note, for a network may be trained further on images of another kind.
    """
    for found in dict.fromkeys(filter(None, map(_looked_at, jobs))):
        if found.warning:
            (report.warn if found.sure else report.note)(found.warning)


def _looked_at(job: Job) -> InputDiagnosis | None:
    config, data = job.config, job.data
    if (config.weights is None and ":" not in (config.model or "")) or data.target == MASK:
        return None
    with preserved():
        torch.manual_seed(derive(job.seed, "init"))
        model = job.arch.build().to(job.device).eval()
    if not recorded_layers(model):
        return None
    pixels = data.size[0] * data.size[1] * (data.frames or 1)
    picked = torch.from_numpy(choose(data.y_train.numpy(), images_needed(model, pixels)))
    x = to_float(data.x_train[picked]).to(job.device)
    x = x if data.frames is None else x[:, :, : data.frames]
    return diagnose_input(model, x, None, only_statistics=True)
