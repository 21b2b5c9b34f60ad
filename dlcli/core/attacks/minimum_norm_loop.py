"""The loop of minimum-norm attacks: a pool whose batches stay full, and the nearest success of each image so far."""

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import quickest_way
from dlcli.core.attacks.margin import View, margin
from dlcli.core.compute.forward import logits_of
from dlcli.core.compute.rng import derive, generator

if TYPE_CHECKING:
    from dlcli.core.attacks.minimum_norm import Hunting

# How many units in the last place of the largest logit a lead must be to be sure. The nearest image lies on the boundary,
# where the rounding of a batch of another size would turn the verdict.
_SURE = 32


class Hunt:
    """One attack on all images of a problem.

    `norms` (n,), float64 on the CPU, are the lengths of the changes found: infinity for none, 0 for images that are wrong
    before any change, which are left.
    """

    def __init__(self, attack: "Hunting", problem: Problem) -> None:
        self.attack, self.problem = attack, problem
        self.found = problem.x.clone()
        self.clean = self._clean_logits()
        fooled = self._decided(self.clean, problem.y, problem.targets)
        self.norms = torch.where(fooled, 0.0, torch.inf).double()
        self.lead = torch.full_like(self.norms, -torch.inf)
        self.aims = attack.aims(problem, self.clean)
        self.runs = attack.tries if self.aims is None else self.aims.shape[1]
        self.way = quickest_way(problem.model, problem.x[:1].to(problem.device), fast=False)
        self.queue = deque((k, 0) for k in (~fooled).nonzero()[:, 0].tolist())
        problem.advance(int(fooled.sum()))

    def run(self) -> Tensor:
        """The nearest success of each image; where there is none, the end of the run that came closest in logits."""
        lanes = self._fresh(0)
        while True:
            lanes = lanes.joined(self._fresh(self.problem.batch_size - len(lanes)))
            if not len(lanes):
                return self.found
            lanes = self._moved(lanes)

    @torch.no_grad()
    def _clean_logits(self) -> Tensor:
        problem = self.problem
        batches = torch.split(problem.x, problem.batch_size)
        return torch.cat([logits_of(problem.model, images.to(problem.device)).cpu() for images in batches])

    def _decided(self, logits: Tensor, label: Tensor, targets: Tensor | None) -> Tensor:
        decision = logits.argmax(1)
        return decision != label.to(decision.device) if targets is None else decision == targets.to(decision.device)

    def _fresh(self, room: int) -> Lanes:
        """Rows for at most `room` of the runs that wait."""
        taken = [self.queue.popleft() for _ in range(min(room, len(self.queue)))]
        problem, device = self.problem, self.problem.device
        index, run = torch.tensor(taken, dtype=torch.int64).reshape(-1, 2).unbind(1)
        clean = problem.x[index.to(problem.x.device)]
        starts = [self._start(images, k, r) for images, (k, r) in zip(clean.cpu(), taken, strict=True)]
        label = problem.y[index.to(problem.y.device)].to(device).long()
        aim = torch.full_like(index, -1) if self.aims is None else self.aims[index, run]
        begun = torch.stack(starts).to(device) if starts else clean.to(device)
        lanes = Lanes(
            index=index.to(device),
            run=run.to(device),
            step=torch.zeros_like(label),
            clean=clean.to(device),
            x=problem.threat.held(begun, clean.to(device)),
            label=label,
            aim=aim.to(device),
            memory={},
        )
        return replace(lanes, memory=self.attack.memory(lanes, self.clean[index].to(device), problem.threat))

    def _start(self, clean: Tensor, index: int, run: int) -> Tensor:
        threat = self.problem.threat
        source = generator(derive(self.problem.seed, "start", index, run))
        restart = run // (self.runs // self.attack.tries)
        return self.attack.start(clean, threat, min(float(self.norms[index]), threat.eps), restart, source)

    def _moved(self, lanes: Lanes) -> Lanes:
        """The rows whose run goes on, one move further."""
        view = View(self.problem.model, lanes.x, self.way)
        lead = margin(view.logits, lanes.label, None if self.problem.targets is None else lanes.aim)
        fooled = self._sure(lead, view.logits)
        success = fooled & self._within(lanes)
        self._record(lanes, success)
        over = (lanes.step == self.attack.length) | (success & self._leaves())
        if bool(over.any()):
            self._end(lanes.rows(over), lead[over])
        if bool(over.all()):
            return lanes.rows(~over)
        x, memory = self.attack.move(lanes, view, fooled & ~over, self.problem.threat)
        # First into the bounds: what lies beyond them is no part of the change, and would cost it length in the ball.
        x = x.clamp(*self.problem.threat.bounds)
        x = self.problem.threat.held(x, lanes.clean) if self.attack.confined else x
        return replace(lanes, x=x, memory=memory, step=lanes.step + 1).rows(~over)

    def _within(self, lanes: Lanes) -> Tensor:
        """Which rows are in the ball, (B,)."""
        if self.attack.confined:
            return torch.ones_like(lanes.label, dtype=torch.bool)
        threat = self.problem.threat
        return threat.measure.length(lanes.x - lanes.clean) <= threat.eps

    def _sure(self, lead: Tensor, logits: Tensor) -> Tensor:
        """Which rows succeed for sure, (B,)."""
        hair = _SURE * torch.finfo(logits.dtype).eps * logits.abs().amax(1)
        return (lead > hair) & (lead >= self.attack.surplus)

    def _record(self, lanes: Lanes, fooled: Tensor) -> None:
        """Keep the successes that are nearer than those so far."""
        if not bool(fooled.any()):
            return
        rows = lanes.rows(fooled)
        index = rows.index.cpu()
        lengths = self.problem.threat.measure.length(rows.x.cpu().double() - rows.clean.cpu().double())
        nearer = lengths < self.norms[index]
        self.norms[index[nearer]] = lengths[nearer]
        self._keep(index[nearer], rows.x[nearer.to(rows.x.device)])

    def _end(self, ended: Lanes, lead: Tensor) -> None:
        """Close runs, and let each image that is not done begin its next."""
        index, lead = ended.index.cpu(), lead.double().cpu()
        failed = torch.isinf(self.norms[index])
        nearly = failed & (lead > self.lead[index])
        self.lead[index[nearly]] = lead[nearly]
        last = self.problem.threat.held(ended.x, ended.clean)
        self._keep(index[nearly], last[nearly.to(last.device)])
        for k, run, lost in zip(index.tolist(), ended.run.tolist(), failed.tolist(), strict=True):
            if run + 1 < self.runs and (lost or not self._leaves()):
                self.queue.append((k, run + 1))
            else:
                self.problem.advance(1)

    def _leaves(self) -> bool:
        return self.attack.first or self.attack.ends_at_success

    def _keep(self, index: Tensor, images: Tensor) -> None:
        self.found[index.to(self.found.device)] = images.to(self.found.device)
