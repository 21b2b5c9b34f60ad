"""The loop over steps that all iterated attacks share: a pool whose batches stay full.

An example leaves at its first success and another takes its place, so an image that is fooled costs no more steps. One
forward pass gives the verdict on an image and begins the backward pass of the next step. Each example's randomness comes
from the seed, its own index and the number of its run, so neither the size of batches nor company changes a verdict but by
the rounding of the network itself. So a batch that the memory does not hold is done in halves, and later ones are smaller.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.gradient import quickest_way, slope_at
from dlcli.core.compute.device import out_of_memory, release
from dlcli.core.compute.forward import logits_of
from dlcli.core.compute.rng import derive, generator
from dlcli.support.errors import ResourceError

if TYPE_CHECKING:
    from dlcli.core.attacks.iterated import Iterated

T = TypeVar("T")


class Pool:
    """One attack on all images of a problem.

    An image is a success once the network, in the type of the images, takes it for the target, or without one for anything
    but its label; a clean image that is so already is left as it is. With `full`, nothing ends early: every run takes all
    steps, and of its runs an image keeps the one that ends with the highest loss.
    """

    def __init__(self, attack: "Iterated", problem: Problem, *, full: bool) -> None:
        self.attack, self.problem, self.full = attack, problem, full
        self.most = problem.batch_size
        self.found = problem.x.clone()
        self.height = torch.full((len(problem.x),), -torch.inf, dtype=torch.float64)
        clean = None if full and not attack.ranks_classes else self._clean_logits()
        self.aims = attack.aims(problem, clean)
        self.runs = attack.tries if self.aims is None else self.aims.shape[1]
        fast = attack.precision == "fast"
        self.way = quickest_way(problem.model, problem.x[:1].to(problem.device), fast=fast)
        self.queue = deque((k, 0) for k in self._open(clean))

    def run(self) -> Tensor:
        """The images that were found, in the order, type and place of the problem's."""
        lanes = ended = self._fresh(0)
        while True:
            lanes = lanes.joined(self._fresh(self.most - len(lanes)))
            if not len(lanes) and not len(ended):
                return self.found
            if len(lanes):
                lanes = self._with_room(lanes)
                over = lanes.step == self.attack.steps
                ended, lanes = ended.joined(lanes.rows(over)), lanes.rows(~over)
            # The last images of many runs are judged together, for small batches are dear.
            if len(ended) >= self.most or not len(lanes):
                self._settle(ended)
                ended = ended.rows(ended.index < 0)

    def _clean_logits(self) -> Tensor:
        return self._judged(self.problem.x, torch.device("cpu"))

    def _open(self, clean: Tensor | None) -> Iterable[int]:
        """The images that need an attack, by index."""
        if self.full or clean is None:
            return range(len(self.found))
        targets = self.problem.targets
        fooled = self._fooled(clean, self.problem.y.cpu(), clean.argmax(1) if targets is None else targets.cpu())
        self.problem.advance(int(fooled.sum()))
        still: list[int] = (~fooled).nonzero()[:, 0].tolist()
        return still

    def _with_room(self, lanes: Lanes) -> Lanes:
        """One step for all rows, in as many parts as the memory makes necessary."""
        stepped: list[Lanes] = []
        begin = 0
        while begin < len(lanes):
            end = min(begin + self.most, len(lanes))
            part = lanes if end - begin == len(lanes) else lanes.rows(torch.arange(begin, end, device=lanes.index.device))
            done = self._if_it_fits(lambda rows=part: self._stepped(rows), len(part))
            if done is not None:
                stepped.append(done)
                begin = end
        return reduce(Lanes.joined, stepped)

    def _if_it_fits(self, attempt: Callable[[], T], rows: int) -> T | None:
        """What `attempt` gives on so many rows, or None if they are too many for the memory: then `most` is half of them."""
        try:
            return attempt()
        except (RuntimeError, ResourceError) as error:
            if rows == 1 or not out_of_memory(error.__cause__ or error):
                raise
        # Outside the handler: what the traceback holds of the failed attempt is gone by now.
        self.most = min(self.most, (rows + 1) // 2)
        release(self.problem.device)
        return None

    def _fresh(self, room: int) -> Lanes:
        """Rows for at most `room` of the runs that wait."""
        taken = [self.queue.popleft() for _ in range(min(room, len(self.queue)))]
        problem, device = self.problem, self.problem.device
        index, run = torch.tensor(taken, dtype=torch.int64).reshape(-1, 2).unbind(1)
        clean = problem.x[index.to(problem.x.device)]
        starts = [self._start(images, k, r) for images, (k, r) in zip(clean.cpu(), taken, strict=True)]
        x = torch.stack(starts).to(device) if starts else clean.to(device)
        clean = clean.to(device)
        x = problem.threat.held(x, clean)
        label = problem.y[index.to(problem.y.device)].to(device).long()
        aim = torch.full_like(index, -1) if self.aims is None else self.aims[index, run]
        return Lanes(
            index=index.to(device),
            run=run.to(device),
            step=torch.zeros_like(label),
            clean=clean,
            x=x,
            label=label,
            aim=aim.to(device),
            memory=self.attack.memory(x),
        )

    def _start(self, clean: Tensor, index: int, run: int) -> Tensor:
        return self.attack.start(clean, self.problem.threat, generator(derive(self.problem.seed, "start", index, run)))

    def _stepped(self, lanes: Lanes) -> Lanes:
        """The rows that are not yet fooled, one step further."""
        slope = slope_at(self.problem.model, lanes.x, lambda logits: self._loss(logits, lanes), way=self.way)
        done = None
        if not self.full:
            fooled = self._confirmed(lanes, slope.logits)
            if bool(fooled.any()):
                done, lanes, slope = lanes.rows(fooled), lanes.rows(~fooled), slope.rows(~fooled)
        if len(lanes):
            x, memory = self.attack.move(lanes, slope, self.problem.threat)
            lanes = replace(lanes, x=self.problem.threat.held(x, lanes.clean), memory=memory, step=lanes.step + 1)
        if done is not None:  # at last, since a step that the memory does not hold is taken again
            self._succeed(done)
        return lanes

    def _settle(self, ended: Lanes) -> None:
        """Judge the last image of runs that took all steps; what is not fooled gets its next run, if it has one."""
        if self.full and self.runs == 1 and not self.attack.remembers_best:
            self._keep(ended.index, ended.x)
            self.problem.advance(len(ended))
            return
        logits = self._judged(ended.x)
        fooled = self._fooled(logits, ended.label, ended.aim) & (not self.full)
        self._succeed(ended.rows(fooled))
        rest, logits = ended.rows(~fooled), logits[~fooled]
        if not len(rest):
            return
        images, loss = self.attack.finish(rest, self._loss(logits, rest))
        higher = loss.double().cpu() > self.height[rest.index.cpu()]
        self.height[rest.index.cpu()[higher]] = loss.double().cpu()[higher]
        self._keep(rest.index[higher.to(loss.device)], images[higher.to(loss.device)])
        for index, run in zip(rest.index.tolist(), rest.run.tolist(), strict=True):
            if run + 1 < self.runs:
                self.queue.append((index, run + 1))
            else:
                self.problem.advance(1)

    def _loss(self, logits: Tensor, lanes: Lanes) -> Tensor:
        return self.attack.loss(logits, lanes.label, None if self.aims is None else lanes.aim)

    def _succeed(self, lanes: Lanes) -> None:
        self._keep(lanes.index, lanes.x)
        self.problem.advance(len(lanes))

    def _keep(self, index: Tensor, images: Tensor) -> None:
        self.found[index.to(self.found.device)] = images.to(self.found.device)

    def _confirmed(self, lanes: Lanes, logits: Tensor) -> Tensor:
        """Which rows are fooled, (B,). What bfloat16 takes for a success is one only if the type of the images agrees."""
        fooled = self._fooled(logits, lanes.label, lanes.aim)
        if self.way.dtype is None or not bool(fooled.any()):
            return fooled
        candidates = lanes.rows(fooled)
        fooled[fooled.clone()] = self._fooled(self._judged(candidates.x), candidates.label, candidates.aim)
        return fooled

    def _fooled(self, logits: Tensor, label: Tensor, aim: Tensor) -> Tensor:
        decision = logits.argmax(1)
        return decision != label if self.problem.targets is None else decision == aim

    @torch.no_grad()
    def _judged(self, x: Tensor, place: torch.device | None = None) -> Tensor:
        """The logits of `x` in its own type, on `place` (None: the network's device), in parts that the memory holds."""
        device = self.problem.device
        logits: list[Tensor] = []
        begin = 0
        while begin < len(x) or not logits:
            part = x[begin : begin + self.most]
            found = self._if_it_fits(lambda images=part: logits_of(self.problem.model, images.to(device)), len(part))
            if found is not None:
                logits.append(found.to(device if place is None else place))
                begin += len(part)
        return torch.cat(logits)
