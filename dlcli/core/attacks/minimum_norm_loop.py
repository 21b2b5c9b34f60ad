"""The loop of the gradient-based minimum-norm attacks: full batches, and the nearest success of each image so far."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem, ThreatModel
from dlcli.core.attacks.batch import ActiveBatch, RunQueue
from dlcli.core.attacks.decisions import is_adversarial, query_logits
from dlcli.core.attacks.gradient import fastest_forward_mode
from dlcli.core.attacks.margin import ForwardPass, margin
from dlcli.core.attacks.pool import NextStep

# How many units in the last place of the largest logit a margin must have to count. The nearest image lies on the boundary,
# where the rounding of another batch size would change the decision.
_CERTAIN_ULPS = 32


class MinimumNormSteps(ABC):
    """What the loop asks of an attack; `step` is the least that one implements. Every row is treated by itself.

    Where an attack `stays_in_ball`, every image is projected into the eps ball before the network sees it. With `full` the
    attack takes all steps, and then one of length eps from the clean image, the steepest by the gradient at the nearest
    success, unless that would lose the success.
    """

    stays_in_ball: ClassVar[bool] = True
    """Whether every step is projected into the eps ball; if not, only its successes within the ball count."""

    stops_at_success: ClassVar[bool] = False
    """Whether a run ends when its image succeeds, even if a nearer success is wanted."""

    @property
    @abstractmethod
    def first(self) -> bool:
        """Whether an image is done at its first success within eps."""

    @property
    @abstractmethod
    def max_steps(self) -> int:
        """The largest number of steps of a run."""

    @property
    def min_margin(self) -> float:
        """The margin, in logits, from which on an image counts as a success."""
        return 0.0

    @property
    def restarts(self) -> int:
        """How many runs each image gets at most, for each of its target classes."""
        return 1

    def target_classes(self, problem: Problem, logits: Tensor) -> Tensor | None:
        """The target class of each run of each image, (n, runs) on the CPU; None for untargeted runs.

        `logits` (n, classes) are those of the clean images.
        """
        return None if problem.targets is None else problem.targets.cpu().long()[:, None].expand(-1, self.restarts)

    def start(self, clean: Tensor, threat: ThreatModel, radius: float, restart: int, generator: torch.Generator) -> Tensor:
        """The first point of a run on one image.

        Args:
            clean: The image (...) on the CPU.
            threat: The threat model.
            radius: The length of the image's nearest success so far, at most eps.
            restart: The number of the run among those with the same target class, from 0.
            generator: The source of all random numbers.

        Returns:
            A point (...), not yet projected.
        """
        return clean

    def memory(self, batch: ActiveBatch, logits: Tensor, threat: ThreatModel) -> Mapping[str, Tensor]:
        """The memory of runs that begin, B rows each; `logits` (B, classes) are those of the clean images."""
        return {}

    @abstractmethod
    def step(self, batch: ActiveBatch, forward: ForwardPass, success: Tensor, threat: ThreatModel) -> NextStep:
        """One step.

        Args:
            batch: The rows; `batch.x` is where they are.
            forward: The forward pass at `batch.x`.
            success: Where `batch.x` is adversarial, a mask (B,).
            threat: The threat model.

        Returns:
            The next images, which the loop projects, and the memory.
        """


class MinimumNormLoop:
    """One attack on all images of a problem.

    `norms` (n,), float64 on the CPU, are the lengths of the changes found: infinity for none, 0 for images that are
    misclassified without a change, which are not attacked.
    """

    def __init__(self, attack: MinimumNormSteps, problem: Problem) -> None:
        self.attack, self.problem = attack, problem
        self.found = problem.x.clone()
        self.clean_logits = query_logits(problem, problem.x).cpu()
        targets = None if problem.targets is None else problem.targets.cpu()
        done = is_adversarial(self.clean_logits, problem.y.cpu(), targets)
        self.norms = torch.where(done, 0.0, torch.inf).double()
        self.best_margin = torch.full_like(self.norms, -torch.inf)
        target_classes = attack.target_classes(problem, self.clean_logits)
        self.runs = attack.restarts if target_classes is None else target_classes.shape[1]
        self.mode = fastest_forward_mode(problem.model, problem.x[:1].to(problem.device), fast=False)
        self.queue = RunQueue(problem, (~done).nonzero()[:, 0].tolist(), target_classes, self._start)
        problem.advance(int(done.sum()))

    def run(self) -> Tensor:
        """The nearest success of each image; where there is none, the end of the run that came closest in logits."""
        batch = self._take(0)
        while True:
            batch = batch.joined(self._take(self.problem.batch_size - len(batch)))
            if not len(batch):
                return self.found
            batch = self._step(batch)

    def _take(self, most: int) -> ActiveBatch:
        batch = self.queue.take(most)
        logits = self.clean_logits[batch.index.cpu()].to(self.problem.device)
        return replace(batch, memory=self.attack.memory(batch, logits, self.problem.threat))

    def _start(self, clean: Tensor, index: int, run: int, generator: torch.Generator) -> Tensor:
        # Runs go through all target classes before any class again, so the classes of one restart are consecutive runs.
        restart = run // (self.runs // self.attack.restarts)
        radius = min(float(self.norms[index]), self.problem.threat.eps)
        return self.attack.start(clean, self.problem.threat, radius, restart, generator)

    def _step(self, batch: ActiveBatch) -> ActiveBatch:
        """The rows whose run goes on, one step further."""
        # Minimum-norm attacks go on after a success, from the adversarial side. So each pass first records what it found:
        # the nearest image may be any on the path, not the last one.
        forward = ForwardPass(self.problem.model, batch.x, self.mode)
        target_class = None if self.problem.targets is None else batch.target_class
        margins = margin(forward.logits, batch.label, target_class)
        adversarial = self._certain(margins, forward.logits)
        success = adversarial & self._within_ball(batch)
        self._record(batch, success)
        over = (batch.step == self.attack.max_steps) | (success & self._done_at_success())
        if bool(over.any()):
            self._end_runs(batch.rows(over), margins[over])
        if bool(over.all()):
            return batch.rows(~over)
        x, memory = self.attack.step(batch, forward, adversarial & ~over, self.problem.threat)
        # First into the bounds: a part of the change beyond them has no effect, and would cost length in the ball.
        x = x.clamp(*self.problem.threat.bounds)
        x = self.problem.threat.project(x, batch.clean) if self.attack.stays_in_ball else x
        return replace(batch, x=x, memory=memory, step=batch.step + 1).rows(~over)

    def _within_ball(self, batch: ActiveBatch) -> Tensor:
        """Which rows are in the eps ball, (B,)."""
        if self.attack.stays_in_ball:
            return torch.ones_like(batch.label, dtype=torch.bool)
        threat = self.problem.threat
        return threat.measure.length(batch.x - batch.clean) <= threat.eps

    def _certain(self, margins: Tensor, logits: Tensor) -> Tensor:
        """Which rows are adversarial beyond rounding, (B,)."""
        rounding = _CERTAIN_ULPS * torch.finfo(logits.dtype).eps * logits.abs().amax(1)
        return (margins > rounding) & (margins >= self.attack.min_margin)

    def _record(self, batch: ActiveBatch, success: Tensor) -> None:
        """Keep the successes that are nearer than those so far."""
        if not bool(success.any()):
            return
        rows = batch.rows(success)
        index = rows.index.cpu()
        lengths = self.problem.threat.measure.length(rows.x.cpu().double() - rows.clean.cpu().double())
        nearer = lengths < self.norms[index]
        self.norms[index[nearer]] = lengths[nearer]
        self._keep(index[nearer], rows.x[nearer.to(rows.x.device)])

    def _end_runs(self, ended: ActiveBatch, margins: Tensor) -> None:
        """Close runs, and queue the next run of each image that is not done."""
        index, margins = ended.index.cpu(), margins.cpu().double()
        failed = torch.isinf(self.norms[index])
        closest = failed & (margins > self.best_margin[index])
        self.best_margin[index[closest]] = margins[closest]
        last = self.problem.threat.project(ended.x, ended.clean)
        self._keep(index[closest], last[closest.to(last.device)])
        for k, run, none_found in zip(index.tolist(), ended.run.tolist(), failed.tolist(), strict=True):
            if run + 1 < self.runs and (none_found or not self._done_at_success()):
                self.queue.add(k, run + 1)
            else:
                self.problem.advance(1)

    def _done_at_success(self) -> bool:
        return self.attack.first or self.attack.stops_at_success

    def _keep(self, index: Tensor, images: Tensor) -> None:
        self.found[index.to(self.found.device)] = images.to(self.found.device)
