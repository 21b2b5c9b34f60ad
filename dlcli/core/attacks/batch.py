"""The images under attack at one time as rows of a batch, and the queue of runs that fills it."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.compute.rng import derive, generator

Start = Callable[[Tensor, int, int, torch.Generator], Tensor]
"""The first point of a run, from the clean image (...) on the CPU, its index, the number of the run and its generator."""


@dataclass(frozen=True)
class ActiveBatch:
    """B rows, one run on one image in each; every tensor has B rows and is on the network's device.

    `index` is the image's place among all images, `run` the number of its run and `step` how many steps that run has taken.
    `clean` (B, ...) are the images as given, `x` (B, ...) the current ones. `label` and `target_class` are classes, the latter
    -1 in an untargeted run. `memory` is the state that the attack itself keeps from step to step. No row depends on another.
    """

    index: Tensor
    run: Tensor
    step: Tensor
    clean: Tensor
    x: Tensor
    label: Tensor
    target_class: Tensor
    memory: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, picked: Tensor) -> "ActiveBatch":
        """The rows that `picked` selects, a mask (B,) or indices."""
        return _combine(lambda tensors: tensors[0][picked], self)

    def joined(self, other: "ActiveBatch") -> "ActiveBatch":
        """The rows of this batch followed by those of `other`."""
        if not len(other):
            return self
        return _combine(torch.cat, self, other) if len(self) else other


def _combine(combine: Callable[[list[Tensor]], Tensor], *batches: ActiveBatch) -> ActiveBatch:
    """A batch whose every tensor is `combine` of the tensors of that name."""
    memory = {name: combine([batch.memory[name] for batch in batches]) for name in batches[0].memory}
    names = [field.name for field in fields(ActiveBatch) if field.name != "memory"]
    return ActiveBatch(**{name: combine([getattr(batch, name) for batch in batches]) for name in names}, memory=memory)


class RunQueue:
    """The runs that wait for a free row, first in, first out: pairs of an image's index and the number of the run.

    A run begins at `start`, projected into the ball. Its random numbers come from the seed, the index and the number of the
    run, so neither the batch size nor the order of the queue changes them. `target_classes` (n, runs) on the CPU are the
    class of each run of each image, None in an untargeted attack.
    """

    def __init__(self, problem: Problem, images: Iterable[int], target_classes: Tensor | None, start: Start) -> None:
        self._problem, self._target_classes, self._start = problem, target_classes, start
        self._waiting = deque((index, 0) for index in images)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, index: int, run: int) -> None:
        """Append one run."""
        self._waiting.append((index, run))

    def take(self, most: int) -> ActiveBatch:
        """Remove at most `most` runs from the front; they come as rows at step 0 without memory."""
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        problem, device = self._problem, self._problem.device
        index, run = torch.tensor(taken, dtype=torch.int64).reshape(-1, 2).unbind(1)
        clean = problem.x[index.to(problem.x.device)]
        starts = [self._first_point(image, k, r) for image, (k, r) in zip(clean.cpu(), taken, strict=True)]
        x, clean = torch.stack(starts).to(device) if starts else clean.to(device), clean.to(device)
        label = problem.y[index.to(problem.y.device)].to(device).long()
        target = torch.full_like(index, -1) if self._target_classes is None else self._target_classes[index, run]
        return ActiveBatch(
            index=index.to(device),
            run=run.to(device),
            step=torch.zeros_like(label),
            clean=clean,
            x=problem.threat.project(x, clean),
            label=label,
            target_class=target.to(device),
            memory={},
        )

    def _first_point(self, clean: Tensor, index: int, run: int) -> Tensor:
        return self._start(clean, index, run, generator(derive(self._problem.seed, "start", index, run)))
