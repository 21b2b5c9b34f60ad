"""The loop of the gradient-based minimum-norm attacks: full batches, and the nearest success of each image so far."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem, RowGenerators, ThreatModel
from dlcli.core.attacks.batch import ActiveBatch, RunQueue, indices
from dlcli.core.attacks.decisions import is_adversarial, query_logits
from dlcli.core.attacks.found import FoundImages
from dlcli.core.attacks.gradient import fastest_forward_mode
from dlcli.core.attacks.margin import ForwardPass, margin
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.pool import NextStep
from dlcli.core.compute.device import send
from dlcli.core.compute.precision import float64_device, to_float64

# How many units in the last place of the largest logit a margin must have to count. The nearest image lies on the boundary,
# where the rounding of another batch size would change the decision.
_CERTAIN_ULPS = 32

_NEAREST, _NORM = "nearest success", "norm of the nearest success"
"""What the loop remembers of each row beside the memory of the attack, while a run goes on after a success."""


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

    def start(self, clean: Tensor, threat: ThreatModel, radius: Tensor, restart: Tensor, generators: RowGenerators) -> Tensor:
        """The first points of n runs.

        Args:
            clean: The images (n, ...).
            threat: The threat model.
            radius: The length of each image's nearest success so far, at most eps; (n,), float64 on the CPU.
            restart: The number of each run among those with the same target class, from 0; (n,) on the CPU.
            generators: The source of all random numbers.

        Returns:
            Points (n, ...), not yet projected.
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


class _Stepped(NamedTuple):
    """The rows whose run goes on, and those whose run has ended with their margins (k,)."""

    rest: ActiveBatch
    ended: ActiveBatch
    margins: Tensor


class MinimumNormLoop:
    """One attack on all images of a problem.

    `norms` (n,), float64 on the CPU, are the lengths of the changes found: infinity for none, 0 for images that are
    misclassified without a change, which are not attacked.
    """

    def __init__(self, attack: MinimumNormSteps, problem: Problem) -> None:
        self.attack, self.problem = attack, problem
        self.found = FoundImages(problem)
        self.clean_logits = query_logits(problem, problem.x).cpu()
        targets = None if problem.targets is None else problem.targets.cpu()
        done = is_adversarial(self.clean_logits, problem.y.cpu(), targets)
        self.norms = torch.where(done, 0.0, torch.inf).double()
        self.best_margin = torch.full_like(self.norms, -torch.inf)
        target_classes = attack.target_classes(problem, self.clean_logits)
        self.runs = attack.restarts if target_classes is None else target_classes.shape[1]
        self.mode = fastest_forward_mode(problem.model, send(problem.x[:1], problem.device), fast=False)
        self.queue = RunQueue(problem, indices(~done).tolist(), target_classes, self._start)
        problem.advance(int(done.sum()))

    def run(self) -> Tensor:
        """The nearest success of each image; where there is none, the end of the run that came closest in logits."""
        batch = self._take(0)
        while True:
            if len(self.queue) and len(batch) < self.problem.batch_size:
                batch = batch.joined(self._take(self.problem.batch_size - len(batch)))
            if not len(batch):
                return self.found.images()
            batch = self._step_in_parts(batch)
            if len(batch):
                self.problem.show_step(int(batch.step.max()), self.attack.max_steps)

    def _take(self, most: int) -> ActiveBatch:
        batch = self.queue.take(most)
        logits = send(self.clean_logits[batch.index], self.problem.device)
        memory = self.attack.memory(batch, logits, self.problem.threat)
        if not self._done_at_success():
            norms = send(self.norms[batch.index], float64_device(self.problem.device))
            memory = {**memory, _NEAREST: batch.x, _NORM: norms}
        return replace(batch, memory=memory)

    def _start(self, clean: Tensor, index: Tensor, run: Tensor, generators: RowGenerators) -> Tensor:
        # Runs go through all target classes before any class again, so the classes of one restart are consecutive runs.
        restart = run // (self.runs // self.attack.restarts)
        threat = self.problem.threat
        return self.attack.start(clean, threat, self.norms[index].clamp_max(threat.eps), restart, generators)

    def _step_in_parts(self, batch: ActiveBatch) -> ActiveBatch:
        """The rows whose run goes on, one step further, in parts that fit in memory."""
        parts = list(self.problem.parts.map(lambda begin, end: self._step(batch.part(begin, end)), len(batch)))
        # Last, because a part that does not fit is taken again from the beginning.
        for part in parts:
            self._end_runs(part.ended, part.margins)
        return parts[0].rest.joined(*(part.rest for part in parts[1:]))

    def _step(self, batch: ActiveBatch) -> _Stepped:
        """One step for all rows."""
        # Minimum-norm attacks go on after a success, from the adversarial side. So each pass first records what it found:
        # the nearest image may be any on the path, not the last one.
        forward = ForwardPass(self.problem.model, batch.x, self.mode)
        margins = margin(forward.logits, batch.label, None if self.problem.targets is None else batch.target_class)
        adversarial = self._certain(margins, forward.logits)
        success = adversarial & self._within_ball(batch)
        self.queue.begin_ahead(self.problem.batch_size)
        over = batch.step == self.attack.max_steps
        if self._done_at_success():
            over |= success.cpu()  # Here the host waits for the device, once a step.
        else:
            batch = self._recorded(batch, success)
        if not bool(over.any()):
            return _Stepped(self._moved(batch, forward, adversarial), batch.part(0, 0), margins[:0])
        places = send(indices(over), batch.x.device)
        ended = batch.rows(over)
        ended = self._recorded(ended, success[places]) if self._done_at_success() else ended
        if bool(over.all()):
            return _Stepped(batch.part(0, 0), ended, margins[places])
        moved = self._moved(batch, forward, adversarial & send(~over, batch.x.device))
        return _Stepped(moved.rows(~over), ended, margins[places])

    def _moved(self, batch: ActiveBatch, forward: ForwardPass, success: Tensor) -> ActiveBatch:
        """The rows after the attack's step."""
        kept = {name: batch.memory[name] for name in (_NEAREST, _NORM) if name in batch.memory}
        own = {name: tensor for name, tensor in batch.memory.items() if name not in kept}
        x, memory = self.attack.step(replace(batch, memory=own), forward, success, self.problem.threat)
        # First into the bounds: a part of the change beyond them has no effect, and would cost length in the ball.
        x = x.clamp(*self.problem.threat.bounds)
        x = self.problem.threat.project(x, batch.clean) if self.attack.stays_in_ball else x
        return replace(batch, x=x, memory={**memory, **kept}, step=batch.step + 1)

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

    def _recorded(self, batch: ActiveBatch, success: Tensor) -> ActiveBatch:
        """The rows with the nearest success of each image and its length; infinity where there is none."""
        lengths = self.problem.threat.measure.length(to_float64(batch.x) - to_float64(batch.clean))
        nearest, norm = batch.memory.get(_NEAREST, batch.x), batch.memory.get(_NORM, torch.full_like(lengths, torch.inf))
        nearer = success.to(lengths.device) & (lengths < norm)
        nearest = torch.where(like_images(nearer.to(nearest.device), nearest), batch.x, nearest)
        return replace(batch, memory={**batch.memory, _NEAREST: nearest, _NORM: torch.where(nearer, lengths, norm)})

    def _end_runs(self, ended: ActiveBatch, margins: Tensor) -> None:
        """Close runs, and queue the next run of each image that is not done."""
        if not len(ended):
            return
        index = ended.index
        norms, margins = torch.stack([ended.memory[_NORM], to_float64(margins)]).cpu()
        nearer = indices(norms < self.norms[index])
        self.norms[index[nearer]] = norms[nearer]
        self.found.keep(index[nearer], ended.memory[_NEAREST][send(nearer, ended.x.device)])
        failed = torch.isinf(self.norms[index])
        closest = indices(failed & (margins > self.best_margin[index]))
        self.best_margin[index[closest]] = margins[closest]
        last = self.problem.threat.project(ended.x, ended.clean)
        self.found.keep(index[closest], last[send(closest, last.device)])
        for k, run, none_found in zip(index.tolist(), ended.run.tolist(), failed.tolist(), strict=True):
            if run + 1 < self.runs and (none_found or not self._done_at_success()):
                self.queue.add(k, run + 1)
            else:
                self.problem.advance(1)

    def _done_at_success(self) -> bool:
        return self.attack.first or self.attack.stops_at_success
