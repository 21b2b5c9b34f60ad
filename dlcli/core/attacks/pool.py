"""The loop over steps that all iterative attacks share: a pool of images whose batches stay full.

An image leaves at its first success and another takes its row, so an image that is fooled costs no more steps. One forward
pass both decides whether an image is adversarial and begins the backward pass of the next step. Random numbers come from
the seed, the image's index and the number of the run, so results do not depend on the batch size or on the other images,
except for the rounding of the network itself. A batch that does not fit in memory is therefore split in half, and later
batches are smaller.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem, RowGenerators, ThreatModel
from dlcli.core.attacks.batch import ActiveBatch, RunQueue, indices
from dlcli.core.attacks.decisions import is_adversarial, query_logits
from dlcli.core.attacks.found import FoundImages
from dlcli.core.attacks.gradient import LossGradient, fastest_forward_mode, loss_gradient_at
from dlcli.core.attacks.losses import cross_entropy
from dlcli.core.compute.device import send


class NextStep(NamedTuple):
    """What a step gives: the next images (B, ...), not yet projected, and the memory (B rows each) that goes with them."""

    x: Tensor
    memory: Mapping[str, Tensor]


class RunEnd(NamedTuple):
    """The images (B, ...) that runs end with, and their losses (B,)."""

    x: Tensor
    loss: Tensor


class IterativeSteps(ABC):
    """What the pool asks of an attack; `step` is the least that one implements.

    Every method treats its rows one by one, for the steps of an image must not depend on which others share its batch.
    """

    tracks_best: ClassVar[bool] = False
    """Whether `finish` needs the loss of the last image, which costs one more forward pass."""

    needs_clean_logits: ClassVar[bool] = False
    """Whether `target_classes` needs the logits of the clean images."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """The number of steps of a run."""

    @property
    @abstractmethod
    def precision(self) -> str:
        """The key "fast" or "float32", see `PRECISIONS` in iterated.py."""

    @property
    def restarts(self) -> int:
        """How many runs each image gets at most, for each of its target classes."""
        return 1

    def target_classes(self, problem: Problem, logits: Tensor | None) -> Tensor | None:
        """The target class of each run of each image, (n, runs) on the CPU; None for untargeted runs.

        `logits` (n, classes) are those of the clean images, None unless `needs_clean_logits`.
        """
        return None if problem.targets is None else problem.targets.cpu().long()[:, None].expand(-1, self.restarts)

    def start(self, clean: Tensor, threat: ThreatModel, generators: RowGenerators) -> Tensor:
        """The first points (n, ...) of runs on the images `clean` (n, ...); the pool projects them."""
        return clean

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """The memory of runs that begin at `x` (n, ...), n rows each."""
        return {}

    def loss(self, logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
        """What the steps increase, for each image, (n,)."""
        return cross_entropy(logits, label, target_class)

    @abstractmethod
    def step(self, batch: ActiveBatch, at_x: LossGradient, threat: ThreatModel) -> NextStep:
        """One step from `batch.x`, where the loss and its gradient are `at_x`; the pool projects the images."""

    def finish(self, batch: ActiveBatch, loss: Tensor) -> RunEnd:
        """How full or unsuccessful runs end, given the loss (n,) at `batch.x`."""
        return RunEnd(batch.x, loss)


class Pool:
    """One attack on all images of a problem.

    An image is a success once the network, in the type of the images, predicts the target class, or without one any class
    but its label; a clean image that is one already is left as it is. With `full`, nothing ends early: every run takes all
    steps, and an image keeps the end with the highest loss of its runs.
    """

    def __init__(self, attack: IterativeSteps, problem: Problem, *, full: bool) -> None:
        self.attack, self.problem, self.full = attack, problem, full
        self.found = FoundImages(problem)
        self.best_loss = torch.full((len(problem.x),), -torch.inf, dtype=torch.float64)
        clean = None if full and not attack.needs_clean_logits else query_logits(problem, problem.x).cpu()
        self.target_classes = attack.target_classes(problem, clean)
        self.runs = attack.restarts if self.target_classes is None else self.target_classes.shape[1]
        fast = attack.precision == "fast"
        self.mode = fastest_forward_mode(problem.model, send(problem.x[:1], problem.device), fast=fast)
        self.queue = RunQueue(problem, self._to_attack(clean), self.target_classes, self._start)

    def run(self) -> Tensor:
        """The images that were found, in the order, type and place of the problem's."""
        batch = ended = self._take(0)
        while True:
            if len(self.queue) and len(batch) < self.problem.batch_size:
                batch = batch.joined(self._take(self.problem.batch_size - len(batch)))
            if not len(batch) and not len(ended):
                return self.found.images()
            if len(batch):
                batch = self._step_in_parts(batch)
                if len(batch):
                    self.problem.show_step(int(batch.step.max()), self.attack.steps)
                over = batch.step == self.attack.steps
                if bool(over.any()):
                    ended, batch = ended.joined(batch.rows(over)), batch.rows(~over)
            # Runs end a few at a time. Their last images wait until they fill a batch: a small batch takes almost as long
            # as a full one.
            if len(ended) >= self.problem.batch_size or not len(batch):
                self._end_runs(ended)
                ended = ended.part(0, 0)

    def _to_attack(self, clean: Tensor | None) -> Iterable[int]:
        """The indices of the images that need an attack."""
        if self.full or clean is None:
            return range(len(self.problem.x))
        targets = self.problem.targets
        done = is_adversarial(clean, self.problem.y.cpu(), None if targets is None else targets.cpu())
        self.problem.advance(int(done.sum()))
        still: list[int] = indices(~done).tolist()
        return still

    def _start(self, clean: Tensor, index: Tensor, run: Tensor, generators: RowGenerators) -> Tensor:
        return self.attack.start(clean, self.problem.threat, generators)

    def _take(self, most: int) -> ActiveBatch:
        batch = self.queue.take(most)
        return replace(batch, memory=self.attack.memory(batch.x))

    def _step_in_parts(self, batch: ActiveBatch) -> ActiveBatch:
        """One step for all rows, in parts that fit in memory."""
        first, *others = self.problem.parts.map(lambda begin, end: self._step(batch.part(begin, end)), len(batch))
        return first.joined(*others)

    def _step(self, batch: ActiveBatch) -> ActiveBatch:
        """The rows that are not yet adversarial, one step further."""
        # The logits at x decide, and the graph behind them gives the gradient for the next step. A test of its own would
        # cost a second forward pass per step. An image that succeeds wastes one backward pass, once.
        at_x = loss_gradient_at(self.problem.model, batch.x, lambda logits: self._loss(logits, batch), mode=self.mode)
        self.queue.begin_ahead(self.problem.batch_size)
        rest, success = batch, torch.zeros(len(batch), dtype=torch.bool) if self.full else self._confirmed(batch, at_x.logits)
        if bool(success.any()):
            rest, at_x = batch.rows(~success), at_x.rows(send(indices(~success), batch.x.device))
        if len(rest):
            x, memory = self.attack.step(rest, at_x, self.problem.threat)
            rest = replace(rest, x=self.problem.threat.project(x, rest.clean), memory=memory, step=rest.step + 1)
        # Last, because a step that runs out of memory is taken again from the beginning.
        self._succeed(batch, success)
        return rest

    def _end_runs(self, ended: ActiveBatch) -> None:
        """Check the last image of runs that took all steps; an image without success gets its next run, if it has one."""
        if not len(ended):  # torch's batch normalisation takes no empty batch on a device without float64
            return
        if self.full and self.runs == 1 and not self.attack.tracks_best:
            self.found.keep(ended.index, ended.x)
            self.problem.advance(len(ended))
            return
        logits = query_logits(self.problem, ended.x)
        if not self.full:
            success = self._successes(ended, logits).cpu()
            self._succeed(ended, success)
            ended, logits = ended.rows(~success), logits[send(indices(~success), logits.device)]
        if not len(ended):
            return
        images, loss = self.attack.finish(ended, self._loss(logits, ended))
        loss = loss.cpu().double()
        higher = indices(loss > self.best_loss[ended.index])
        self.best_loss[ended.index[higher]] = loss[higher]
        self.found.keep(ended.index[higher], images[send(higher, images.device)])
        for index, run in zip(ended.index.tolist(), ended.run.tolist(), strict=True):
            if run + 1 < self.runs:
                self.queue.add(index, run + 1)
            else:
                self.problem.advance(1)

    def _loss(self, logits: Tensor, batch: ActiveBatch) -> Tensor:
        return self.attack.loss(logits, batch.label, batch.target_class)

    def _succeed(self, batch: ActiveBatch, success: Tensor) -> None:
        """Keep the images of the rows in the mask `success` (B,), on the CPU."""
        places = indices(success)
        if len(places):
            self.found.keep(batch.index[places], batch.x[send(places, batch.x.device)])
            self.problem.advance(len(places))

    def _confirmed(self, batch: ActiveBatch, logits: Tensor) -> Tensor:
        """Which rows are adversarial, (B,) on the CPU. A success in bfloat16 counts only if the type of the images confirms it.

        This is where the host waits for the device, once a step and once more where bfloat16 found a success.
        """
        success = self._successes(batch, logits).cpu()
        if self.mode.dtype is None or not bool(success.any()):
            return success
        candidates = replace(batch, memory={}).rows(success)
        confirmed = self._successes(candidates, query_logits(self.problem, candidates.x)).cpu()
        return success.masked_scatter(success, confirmed)

    def _successes(self, batch: ActiveBatch, logits: Tensor) -> Tensor:
        # Not the classes of the runs: APGD-T steers each run to a class of its own, and any misclassification is a success.
        return is_adversarial(logits, batch.label, None if self.problem.targets is None else batch.target_class)
