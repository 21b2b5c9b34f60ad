"""Pictures of a split whose masks are predicted, cut into jobs for several processes.

A picture meets the same others in its batch however many processes there are, so its logits are the same bit for bit.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.evaluation.mask_prediction import picture_batches
from dlcli.engines.model_and_data import LoadedModel

_PICTURES = 32
"""Pictures of a job at the least."""


class PictureJob(NamedTuple):
    """Some batches of a split, each as the indices of its pictures."""

    split: str
    batches: tuple[NDArray[np.int64], ...]

    @property
    def rows(self) -> NDArray[np.int64]:
        """The indices of all pictures."""
        return np.concatenate(self.batches)


class JobPictures(NamedTuple):
    """The pictures (m, c, h, w) of a job, their masks (m, h, w), and the indices of each batch in these."""

    x: Tensor
    y: Tensor
    batches: list[NDArray[np.int64]]


def picture_jobs(loaded: LoadedModel, split: str) -> list[PictureJob]:
    """The jobs that are all pictures of a split."""
    examples = loaded.split(split)
    jobs, held = list[PictureJob](), list[NDArray[np.int64]]()
    for batch in picture_batches(examples.x, examples.y, loaded.device):
        held.append(batch)
        if sum(map(len, held)) >= _PICTURES:
            jobs.append(PictureJob(split, tuple(held)))
            held = []
    return [*jobs, PictureJob(split, tuple(held))] if held else jobs


def job_pictures(loaded: LoadedModel, job: PictureJob) -> JobPictures:
    """The pictures of a job."""
    examples, rows = loaded.split(job.split), torch.from_numpy(job.rows)
    ends = np.cumsum([0, *map(len, job.batches)]).tolist()
    return JobPictures(examples.x[rows], examples.y[rows], [np.arange(one, other) for one, other in pairwise(ends)])
