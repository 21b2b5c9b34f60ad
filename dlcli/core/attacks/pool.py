"""The loop over steps that all iterative attacks share: a pool of images whose batches stay full.

An image leaves at its first success and another takes its row, so an image that is fooled costs no more steps. One forward
pass both decides whether an image is adversarial and begins the backward pass of the next step. Random numbers come from
the seed, the image's index and the number of the run, so results do not depend on the batch size or on the other images,
except for the rounding of the network itself. A batch that does not fit in memory is therefore split in half, and later
batches are smaller.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial, reduce
from typing import ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem, ThreatModel
from dlcli.core.attacks.batch import ActiveBatch, RunQueue
from dlcli.core.attacks.decisions import is_adversarial
from dlcli.core.attacks.gradient import LossGradient, fastest_forward_mode, loss_gradient_at
from dlcli.core.attacks.losses import cross_entropy
from dlcli.core.compute.device import out_of_memory, release
from dlcli.core.compute.forward import logits_of
from dlcli.support.errors import ResourceError

T = TypeVar("T")


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

    def start(self, clean: Tensor, threat: ThreatModel, generator: torch.Generator) -> Tensor:
        """The first point of a run on one image, `clean` (...) on the CPU; the pool projects it."""
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
        self.batch_size = problem.batch_size
        self.found = problem.x.clone()
        self.best_loss = torch.full((len(problem.x),), -torch.inf, dtype=torch.float64)
        clean = None if full and not attack.needs_clean_logits else self._clean_logits()
        self.target_classes = attack.target_classes(problem, clean)
        self.runs = attack.restarts if self.target_classes is None else self.target_classes.shape[1]
        fast = attack.precision == "fast"
        self.mode = fastest_forward_mode(problem.model, problem.x[:1].to(problem.device), fast=fast)
        self.queue = RunQueue(problem, self._to_attack(clean), self.target_classes, self._start)

    def run(self) -> Tensor:
        """The images that were found, in the order, type and place of the problem's."""
        batch = ended = self._take(0)
        while True:
            batch = batch.joined(self._take(self.batch_size - len(batch)))
            if not len(batch) and not len(ended):
                return self.found
            if len(batch):
                batch = self._step_in_parts(batch)
                over = batch.step == self.attack.steps
                ended, batch = ended.joined(batch.rows(over)), batch.rows(~over)
            # Runs end a few at a time. Their last images wait until they fill a batch: a small batch takes almost as long
            # as a full one.
            if len(ended) >= self.batch_size or not len(batch):
                self._end_runs(ended)
                ended = ended.rows(ended.index < 0)

    def _clean_logits(self) -> Tensor:
        return self._logits(self.problem.x, torch.device("cpu"))

    def _to_attack(self, clean: Tensor | None) -> Iterable[int]:
        """The indices of the images that need an attack."""
        if self.full or clean is None:
            return range(len(self.found))
        targets = self.problem.targets
        done = is_adversarial(clean, self.problem.y.cpu(), None if targets is None else targets.cpu())
        self.problem.advance(int(done.sum()))
        still: list[int] = (~done).nonzero()[:, 0].tolist()
        return still

    def _start(self, clean: Tensor, index: int, run: int, generator: torch.Generator) -> Tensor:
        return self.attack.start(clean, self.problem.threat, generator)

    def _take(self, most: int) -> ActiveBatch:
        batch = self.queue.take(most)
        return replace(batch, memory=self.attack.memory(batch.x))

    def _step_in_parts(self, batch: ActiveBatch) -> ActiveBatch:
        """One step for all rows, in parts that fit in memory."""
        done: list[ActiveBatch] = []
        begin = 0
        while begin < len(batch):
            end = min(begin + self.batch_size, len(batch))
            part = batch if end - begin == len(batch) else batch.rows(torch.arange(begin, end, device=batch.index.device))
            stepped = self._if_it_fits(partial(self._step, part), len(part))
            if stepped is not None:
                done.append(stepped)
                begin = end
        return reduce(ActiveBatch.joined, done)

    def _if_it_fits(self, attempt: Callable[[], T], rows: int) -> T | None:
        """The result of `attempt` on a batch of `rows`; None if that does not fit in memory, and the batch size is halved."""
        try:
            return attempt()
        except (RuntimeError, ResourceError) as error:
            if rows == 1 or not out_of_memory(error.__cause__ or error):
                raise
        # Outside the handler: while it runs, the traceback keeps the tensors of the failed attempt alive.
        self.batch_size = min(self.batch_size, (rows + 1) // 2)
        release(self.problem.device)
        return None

    def _step(self, batch: ActiveBatch) -> ActiveBatch:
        """The rows that are not yet adversarial, one step further."""
        # The logits at x decide, and the graph behind them gives the gradient for the next step. A test of its own would
        # cost a second forward pass per step. An image that succeeds wastes one backward pass, once.
        at_x = loss_gradient_at(self.problem.model, batch.x, lambda logits: self._loss(logits, batch), mode=self.mode)
        done, rest = None, batch
        if not self.full:
            success = self._confirmed(batch, at_x.logits)
            if bool(success.any()):
                done, rest, at_x = batch.rows(success), batch.rows(~success), at_x.rows(~success)
        if len(rest):
            x, memory = self.attack.step(rest, at_x, self.problem.threat)
            rest = replace(rest, x=self.problem.threat.project(x, rest.clean), memory=memory, step=rest.step + 1)
        if done is not None:  # last, because a step that runs out of memory is taken again from the beginning
            self._succeed(done)
        return rest

    def _end_runs(self, ended: ActiveBatch) -> None:
        """Check the last image of runs that took all steps; an image without success gets its next run, if it has one."""
        if not len(ended):  # torch's batch normalisation takes no empty batch on a device without float64
            return
        if self.full and self.runs == 1 and not self.attack.tracks_best:
            self._keep(ended.index, ended.x)
            self.problem.advance(len(ended))
            return
        logits = self._logits(ended.x)
        success = self._successes(ended, logits) & (not self.full)
        self._succeed(ended.rows(success))
        rest, logits = ended.rows(~success), logits[~success]
        if not len(rest):
            return
        images, loss = self.attack.finish(rest, self._loss(logits, rest))
        higher = loss.cpu().double() > self.best_loss[rest.index.cpu()]
        self.best_loss[rest.index.cpu()[higher]] = loss.cpu().double()[higher]
        self._keep(rest.index[higher.to(loss.device)], images[higher.to(loss.device)])
        for index, run in zip(rest.index.tolist(), rest.run.tolist(), strict=True):
            if run + 1 < self.runs:
                self.queue.add(index, run + 1)
            else:
                self.problem.advance(1)

    def _loss(self, logits: Tensor, batch: ActiveBatch) -> Tensor:
        return self.attack.loss(logits, batch.label, None if self.target_classes is None else batch.target_class)

    def _succeed(self, batch: ActiveBatch) -> None:
        self._keep(batch.index, batch.x)
        self.problem.advance(len(batch))

    def _keep(self, index: Tensor, images: Tensor) -> None:
        self.found[index.to(self.found.device)] = images.to(self.found.device)

    def _confirmed(self, batch: ActiveBatch, logits: Tensor) -> Tensor:
        """Which rows are adversarial, (B,). A success in bfloat16 counts only if the type of the images confirms it."""
        success = self._successes(batch, logits)
        if self.mode.dtype is None or not bool(success.any()):
            return success
        candidates = batch.rows(success)
        success[success.clone()] = self._successes(candidates, self._logits(candidates.x))
        return success

    def _successes(self, batch: ActiveBatch, logits: Tensor) -> Tensor:
        # Not the classes of the runs: APGD-T steers each run to a class of its own, and any misclassification is a success.
        return is_adversarial(logits, batch.label, None if self.problem.targets is None else batch.target_class)

    @torch.no_grad()
    def _logits(self, x: Tensor, place: torch.device | None = None) -> Tensor:
        """The logits of `x` in its own type, on `place` (None: the network's device), in parts that fit in memory."""
        device = self.problem.device
        logits: list[Tensor] = []
        begin = 0
        while begin < len(x) or not logits:
            part = x[begin : begin + self.batch_size]
            found = self._if_it_fits(partial(self._logits_of, part), len(part))
            if found is not None:
                logits.append(found.to(device if place is None else place))
                begin += len(part)
        return torch.cat(logits)

    def _logits_of(self, images: Tensor) -> Tensor:
        return logits_of(self.problem.model, images.to(self.problem.device))
