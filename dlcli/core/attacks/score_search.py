"""Attacks by score: they ask what the network says of images and never for a gradient; the loop is theirs together.

As in the pool of iterated attacks an image leaves at its first success and another takes its place, and each image's
randomness comes from the seed and its own index.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from dlcli.core.attacks.base import Attack, Problem, Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.norms import like_images
from dlcli.core.compute.forward import logits_of
from dlcli.core.compute.rng import derive, generator
from dlcli.support.errors import InputError


@dataclass(frozen=True)
class Searching(Attack):
    """An attack that proposes images, learns the logits of each and keeps what raised its score.

    Each image is asked about `queries` times at most, besides one look at it as it is. An entry implements `score`,
    `width`, `propose` and `judge`, each of which treats its rows one by one.
    """

    targeted = True
    least_classes = 2
    knowledge = "scores"

    queries: int = 5000

    block: ClassVar[int] = 1
    """For how many steps random numbers are drawn at a time."""

    def __post_init__(self) -> None:
        check_count("queries", self.queries)

    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Search for every image."""
        with torch.no_grad():
            return _Search(self, problem, full=full).run()

    @property
    def asks(self) -> int:
        """How many images a step asks about, for each image under attack."""
        return 1

    @property
    def steps(self) -> int:
        """How many steps the queries allow."""
        return self.queries // self.asks

    @abstractmethod
    def score(self, logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
        """What the search raises, of logits (n, classes), labels (n,) and perhaps classes aimed at (n,); (n,)."""

    @abstractmethod
    def width(self, clean: Tensor) -> int:
        """How many random numbers a step takes for one image `clean` (...)."""

    def start(self, clean: Tensor, threat: Threat, generator: torch.Generator) -> Tensor:
        """Where the search on one image, `clean` (...) on the CPU, begins; it is projected."""
        return clean

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """What is remembered of examples that begin at `x` (n, ...), n rows each."""
        return {}

    @abstractmethod
    def propose(self, lanes: Lanes, drawn: Tensor, threat: Threat) -> Tensor:
        """The images to ask about next, (n, asks, ...), which are projected; `drawn` (n, width) is uniform in [0, 1)."""

    @abstractmethod
    def judge(self, lanes: Lanes, proposed: Tensor, score: Tensor) -> Lanes:
        """The lanes after the answer: the images asked about (n, asks, ...) have these scores (n, asks)."""


class _Search:
    """One search on all images of a problem; with `full` none ends early."""

    def __init__(self, attack: Searching, problem: Problem, *, full: bool) -> None:
        self.attack, self.problem, self.full = attack, problem, full
        self.found = problem.x.clone()
        self.width = attack.width(problem.x[0])
        # Pooling in float32 takes several times as long on images that are contiguous.
        self.layout = torch.channels_last if problem.x.dim() == 4 else torch.preserve_format
        # As many at a time as keep a step to one batch.
        self.room = max(1, problem.batch_size // attack.asks)
        self.queue = deque(self._open())

    def run(self) -> Tensor:
        """The images that were found, in the order, type and place of the problem's."""
        lanes = self._fresh(self.room)
        while len(lanes):
            lanes = self._stepped(lanes)
            lanes = self._over(lanes, lanes.step == self.attack.steps)
            if self.queue and len(lanes) < self.room:
                lanes = lanes.joined(self._fresh(self.room - len(lanes)))
        return self.found

    def _open(self) -> list[int]:
        """The images that need an attack, by index."""
        if self.full:
            return list(range(len(self.found)))
        still = ~fooled_already(self.problem)
        self.problem.advance(int((~still).sum()))
        found: list[int] = still.nonzero()[:, 0].tolist()
        return found

    def _fresh(self, room: int) -> Lanes:
        """Rows for at most `room` of the images that wait."""
        problem, device = self.problem, self.problem.device
        index = torch.tensor([self.queue.popleft() for _ in range(min(room, len(self.queue)))], dtype=torch.int64)
        clean = problem.x[index.to(problem.x.device)]
        starts = [self._start(image, k) for image, k in zip(clean.cpu(), index.tolist(), strict=True)]
        x, clean = torch.stack(starts).to(device) if starts else clean.to(device), clean.to(device)
        x = problem.threat.held(x, clean)
        label = problem.y[index.to(problem.y.device)].to(device).long()
        aims = problem.targets
        none = torch.zeros_like(label)
        return Lanes(
            index=index.to(device),
            run=none,
            step=none,
            clean=clean,
            x=x,
            label=label,
            aim=none - 1 if aims is None else aims[index.to(aims.device)].to(device).long(),
            memory={**self.attack.memory(x), "drawn": x.new_zeros(len(x), self.attack.block, self.width)},
        )

    def _start(self, clean: Tensor, index: int) -> Tensor:
        return self.attack.start(clean, self.problem.threat, generator(derive(self.problem.seed, "start", index, 0)))

    def _stepped(self, lanes: Lanes) -> Lanes:
        """One step further; the rows that are fooled now are gone, unless all steps are to be taken."""
        lanes = self._drawn(lanes)
        place = (torch.arange(len(lanes), device=lanes.step.device), lanes.step % self.attack.block)
        proposed = self.attack.propose(lanes, lanes.memory["drawn"][place], self.problem.threat)
        n, asks = proposed.shape[:2]
        images = self.problem.threat.held(proposed.flatten(0, 1), lanes.clean.repeat_interleave(asks, 0))
        label, aim = (classes.repeat_interleave(asks, 0) for classes in (lanes.label, lanes.aim))
        logits = self._answers(images)
        score = self.attack.score(logits, label, None if self.problem.targets is None else aim)
        proposed = images.reshape(proposed.shape)
        after = self.attack.judge(lanes, proposed, score.reshape(n, asks).to(lanes.x.dtype))
        after = replace(after, step=lanes.step + 1, memory={**after.memory, "drawn": lanes.memory["drawn"]})
        if self.full:
            return after
        fooled = decided(logits, label, None if self.problem.targets is None else aim).reshape(n, asks)
        first = proposed[place[0], fooled.to(torch.int8).argmax(1)]
        success = fooled.any(1)
        return self._over(replace(after, x=torch.where(like_images(success, first), first, after.x)), success)

    def _answers(self, images: Tensor) -> Tensor:
        """The logits of the images; a network that fails in this layout is not asked in it again."""
        try:
            return answers(self.problem, images, self.layout)
        except InputError:
            if self.layout == torch.preserve_format:
                raise
            self.layout = torch.preserve_format
            return answers(self.problem, images)

    def _drawn(self, lanes: Lanes) -> Lanes:
        """The lanes with new random numbers in the rows that have used theirs."""
        due = (lanes.step % self.attack.block == 0).nonzero()[:, 0]
        if not len(due):
            return lanes
        drawn = lanes.memory["drawn"].clone()
        drawn[due] = torch.stack(
            [
                torch.rand(drawn.shape[1:], generator=generator(derive(self.problem.seed, "search", index, step)))
                for index, step in zip(lanes.index[due].tolist(), lanes.step[due].tolist(), strict=True)
            ]
        ).to(drawn)
        return replace(lanes, memory={**lanes.memory, "drawn": drawn})

    def _over(self, lanes: Lanes, over: Tensor) -> Lanes:
        """Keep the images of the rows that are over; the rows that go on."""
        if not bool(over.any()):
            return lanes
        ended = lanes.rows(over)
        self.found[ended.index.to(self.found.device)] = ended.x.to(self.found.device)
        self.problem.advance(len(ended))
        return lanes.rows(~over)


def answers(problem: Problem, images: Tensor, layout: torch.memory_format = torch.preserve_format) -> Tensor:
    """The logits (n, classes) of the images (n, ...), in batches of the problem's size, on the network's device."""
    parts = (part.to(problem.device, memory_format=layout) for part in torch.split(images, problem.batch_size))
    with torch.no_grad():
        return torch.cat([logits_of(problem.model, part) for part in parts])


def decided(logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
    """Which images are fooled, a mask (n,): taken for the class aimed at, or without one for any but their label."""
    decision = logits.argmax(1)
    return decision != label if aim is None else decision == aim


def fooled_already(problem: Problem) -> Tensor:
    """Which images are fooled as they are, a mask (n,) on the CPU."""
    aim = None if problem.targets is None else problem.targets.cpu()
    return decided(answers(problem, problem.x).cpu(), problem.y.cpu(), aim)
