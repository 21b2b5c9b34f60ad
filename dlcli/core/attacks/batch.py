"""The images under attack at one time as rows of a batch, and the queue of runs that fills it."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem, RowGenerators
from dlcli.core.compute.device import send

Start = Callable[[Tensor, Tensor, Tensor, RowGenerators], Tensor]
"""The first points (n, ...) of runs on clean images (n, ...), with the index of each and the number of its run, (n,) each."""

_AHEAD = 8
"""Runs are begun ahead an eighth of a batch at a time, so that their random numbers are drawn while the device computes."""


@dataclass(frozen=True)
class ActiveBatch:
    """B rows, one run on one image in each.

    `index` is the image's place among all images, `run` the number of its run and `step` how many steps that run has taken;
    these are on the CPU, so that whether a run is over is known without waiting for the device. The other tensors are on the
    network's device: the images as given, `clean` (B, ...), and as they are now, `x` (B, ...), the classes `label` (B,) and
    `target_class` (B,), None in an untargeted run, and the `memory` of B rows each that the attack itself keeps from step to
    step. No row depends on another.
    """

    index: Tensor
    run: Tensor
    step: Tensor
    clean: Tensor
    x: Tensor
    label: Tensor
    target_class: Tensor | None
    memory: Mapping[str, Tensor]

    def __len__(self) -> int:
        return self.index.shape[0]

    @cached_property
    def step_there(self) -> Tensor:
        """`step` on the network's device."""
        return send(self.step, self.x.device)

    def rows(self, picked: Tensor) -> "ActiveBatch":
        """The rows that `picked` selects, a mask (B,) or indices, on the CPU."""
        # One nonzero for all tensors: a mask on the device would cost one for each, and the host waits for every one.
        places = indices(picked)
        if picked.dtype == torch.bool and len(places) == len(self):
            return self
        there = send(places, self.x.device)
        return _combine(lambda tensors: tensors[0][places if tensors[0].device == places.device else there], self)

    def part(self, begin: int, end: int) -> "ActiveBatch":
        """The rows from `begin` to before `end`, without a copy."""
        return self if (begin, end) == (0, len(self)) else _combine(lambda tensors: tensors[0][begin:end], self)

    def joined(self, *others: "ActiveBatch") -> "ActiveBatch":
        """The rows of this batch followed by those of the others."""
        batches = [batch for batch in (self, *others) if len(batch)]
        return _combine(torch.cat, *batches) if len(batches) > 1 else (*batches, self)[0]


_TENSORS = tuple(field.name for field in fields(ActiveBatch) if field.name != "memory")


def indices(picked: Tensor) -> Tensor:
    """The indices (k,) that a mask (n,) selects; indices stay as they are."""
    return picked.nonzero()[:, 0] if picked.dtype == torch.bool else picked


def _combine(combine: Callable[[list[Tensor]], Tensor], *batches: ActiveBatch) -> ActiveBatch:
    """A batch whose every tensor is `combine` of the tensors of that name."""
    names = [name for name in _TENSORS if getattr(batches[0], name) is not None]
    tensors = {name: combine([getattr(batch, name) for batch in batches]) for name in names}
    memory = {name: combine([batch.memory[name] for batch in batches]) for name in batches[0].memory}
    return replace(batches[0], **tensors, memory=memory)


class RunQueue:
    """The runs that wait for a free row, first in, first out: pairs of an image's index and the number of the run.

    A run begins at `start`, projected into the ball. Its random numbers come from the seed, the index and the number of the
    run, so neither the batch size nor the order of the queue changes them. `target_classes` (n, runs) on the CPU are the
    class of each run of each image, None in an untargeted attack.
    """

    def __init__(self, problem: Problem, images: Iterable[int], target_classes: Tensor | None, start: Start) -> None:
        self._problem, self._target_classes, self._start = problem, target_classes, start
        self._waiting = deque((index, 0) for index in images)
        self._begun: deque[ActiveBatch] = deque()
        self._rows_begun = 0

    def __len__(self) -> int:
        return len(self._waiting) + self._rows_begun

    def add(self, index: int, run: int) -> None:
        """Append one run."""
        self._waiting.append((index, run))

    def begin_ahead(self, most: int) -> None:
        """Begin some of the runs that come next, until `most` of them, as many as a batch has rows, have begun.

        Called after a pass is on its way to the device: the host draws random numbers while the device computes.
        """
        self._begin(min(-(-most // _AHEAD), most - self._rows_begun))

    def take(self, most: int) -> ActiveBatch:
        """Remove at most `most` runs from the front; they come as rows at step 0 without memory."""
        self._begin(most - self._rows_begun)
        taken: list[ActiveBatch] = []
        while most > 0 and self._begun:
            block = self._begun.popleft()
            taken.append(block.part(0, min(most, len(block))))
            if len(block) > most:
                self._begun.appendleft(block.part(most, len(block)))
            most -= len(taken[-1])
            self._rows_begun -= len(taken[-1])
        batch = taken[0].joined(*taken[1:]) if taken else self._first_rows([])
        return replace(batch, x=self._problem.threat.project(batch.x, batch.clean))

    def _begin(self, most: int) -> None:
        if most <= 0 or not self._waiting:
            return
        runs = list(islice(self._waiting, most))
        self._begun.append(self._first_rows(runs))
        self._rows_begun += len(runs)
        # Last, for the device may run out of memory before.
        for _ in runs:
            self._waiting.popleft()

    def _first_rows(self, runs: list[tuple[int, int]]) -> ActiveBatch:
        """Rows at the start of these runs, not yet projected."""
        problem, device = self._problem, self._problem.device
        index, run = torch.tensor(runs, dtype=torch.int64).reshape(-1, 2).unbind(1)
        clean, label = (send(given[send(index, given.device)], device) for given in (problem.x, problem.y))
        target = None if self._target_classes is None else send(self._target_classes[index, run], device)
        x = self._start(clean, index, run, lambda k: problem.generator("start", *runs[k])) if runs else clean
        # Sums over an image are rounded in the order of its memory, which is to be the same whatever that of `problem.x` is.
        return ActiveBatch(index, run, torch.zeros_like(index), clean, x.contiguous(), label.long(), target, memory={})
