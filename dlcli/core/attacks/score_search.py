"""Random search by scores: attacks that query the network's logits and never ask for a gradient, and their loop.

As in the pool of iterative attacks, an image leaves at its first success and another takes its row, and each image's random
numbers come from the seed and its own index.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import Attack, Problem, RowGenerators, ThreatModel, check_count
from dlcli.core.attacks.batch import ActiveBatch, RunQueue, indices
from dlcli.core.attacks.decisions import already_adversarial, is_adversarial, query_logits
from dlcli.core.attacks.found import FoundImages
from dlcli.core.attacks.norms import like_images
from dlcli.core.compute.device import send
from dlcli.support.errors import InputError


@dataclass(frozen=True)
class ScoreSearch(Attack):
    """An attack that proposes images, queries their logits and keeps what increased the score.

    Each image costs at most `queries` queries, besides one for the clean image. An entry implements `score`, `num_draws`,
    `propose` and `update`, each of which treats its rows one by one.
    """

    targeted = True
    min_classes = 2
    knowledge = "scores"

    queries: int = 5000

    block: ClassVar[int] = 1
    """For how many steps random numbers are drawn at a time."""

    def __post_init__(self) -> None:
        check_count("queries", self.queries)

    @override
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Search for every image."""
        with torch.no_grad():
            return _SearchLoop(self, problem, full=full).run()

    @property
    def queries_per_step(self) -> int:
        """The number of queries that one step makes for each image under attack."""
        return 1

    @property
    def steps(self) -> int:
        """How many steps the queries allow."""
        return self.queries // self.queries_per_step

    @abstractmethod
    def score(self, logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
        """What the search increases, (n,), from logits (n, classes), labels (n,) and perhaps target classes (n,)."""

    @abstractmethod
    def num_draws(self, clean: Tensor) -> int:
        """How many random numbers a step takes for one image `clean` (...)."""

    def start(self, clean: Tensor, threat: ThreatModel, generators: RowGenerators) -> Tensor:
        """The first points (n, ...) of the search on the images `clean` (n, ...), not yet projected."""
        return clean

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """The memory of searches that begin at `x` (n, ...), n rows each."""
        return {}

    @abstractmethod
    def propose(self, batch: ActiveBatch, drawn: Tensor, threat: ThreatModel) -> Tensor:
        """The images to query next, (n, queries_per_step, ...), not yet projected.

        `drawn` (n, num_draws) is uniform in [0, 1).
        """

    @abstractmethod
    def update(self, batch: ActiveBatch, proposed: Tensor, score: Tensor) -> ActiveBatch:
        """The batch after the queries: `score` (n, queries_per_step) are those of the images `proposed`."""


class _SearchLoop:
    """One search on all images of a problem; with `full` none ends early."""

    def __init__(self, attack: ScoreSearch, problem: Problem, *, full: bool) -> None:
        self.attack, self.problem, self.full = attack, problem, full
        self.found = FoundImages(problem)
        self.num_draws = attack.num_draws(problem.x[0])
        # Pooling in float32 takes several times as long on images that are contiguous.
        self.layout = torch.channels_last if problem.x.dim() == 4 else torch.preserve_format
        targets = None if problem.targets is None else problem.targets.cpu().long()[:, None]
        self.queue = RunQueue(problem, self._to_attack(), targets, self._start)

    @property
    def rows(self) -> int:
        """As many rows as keep the queries of a step to one batch."""
        return max(1, self.problem.batch_size // self.attack.queries_per_step)

    def run(self) -> Tensor:
        """The images that were found, in the order, type and place of the problem's."""
        batch = self._take(self.rows)
        while len(batch):
            batch = self._step(batch)
            if len(batch):
                self.problem.show_step(int(batch.step.max()), self.attack.steps)
            batch = self._without(batch, batch.step == self.attack.steps)
            if len(self.queue) and len(batch) < self.rows:
                batch = batch.joined(self._take(self.rows - len(batch)))
        return self.found.images()

    def _to_attack(self) -> list[int]:
        """The indices of the images that need an attack."""
        if self.full:
            return list(range(len(self.problem.x)))
        done = already_adversarial(self.problem)
        self.problem.advance(int(done.sum()))
        still: list[int] = indices(~done).tolist()
        return still

    def _start(self, clean: Tensor, index: Tensor, run: Tensor, generators: RowGenerators) -> Tensor:
        return self.attack.start(clean, self.problem.threat, generators)

    def _take(self, most: int) -> ActiveBatch:
        batch = self.queue.take(most)
        drawn = batch.x.new_zeros(len(batch), self.attack.block, self.num_draws)
        return replace(batch, memory={**self.attack.memory(batch.x), "drawn": drawn})

    def _step(self, batch: ActiveBatch) -> ActiveBatch:
        """One step further, without the rows that succeeded unless all steps are to be taken."""
        batch = self._with_draws(batch)
        row = torch.arange(len(batch), device=batch.x.device)
        drawn = batch.memory["drawn"][row, batch.step_there % self.attack.block]
        proposed = self.attack.propose(batch, drawn, self.problem.threat)
        n, queries = proposed.shape[:2]
        clean, label = (_repeated(one, queries) for one in (batch.clean, batch.label))
        target = None if batch.target_class is None else _repeated(batch.target_class, queries)
        images = self.problem.threat.project(proposed.flatten(0, 1), clean)
        logits = self._logits(images)
        self.queue.begin_ahead(self.rows)
        score = self.attack.score(logits, label, target)
        proposed = images.reshape(proposed.shape)
        after = self.attack.update(batch, proposed, score.reshape(n, queries).to(batch.x.dtype))
        after = replace(after, step=batch.step + 1, memory={**after.memory, "drawn": batch.memory["drawn"]})
        if self.full:
            return after
        adversarial = is_adversarial(logits, label, target).reshape(n, queries)
        first = proposed[row, adversarial.to(torch.int8).argmax(1)]
        success = adversarial.any(1)
        after = replace(after, x=torch.where(like_images(success, first), first, after.x))
        return self._without(after, success.cpu())  # Here the host waits for the device, once a step.

    def _logits(self, images: Tensor) -> Tensor:
        """The logits of the images; a network that fails in this memory layout is queried in the plain one from then on."""
        try:
            return query_logits(self.problem, images, self.layout)
        except InputError:
            if self.layout == torch.preserve_format:
                raise
            self.layout = torch.preserve_format
            return query_logits(self.problem, images)

    def _with_draws(self, batch: ActiveBatch) -> ActiveBatch:
        """The batch with new random numbers in the rows that have used theirs."""
        due = indices(batch.step % self.attack.block == 0)
        if not len(due):
            return batch
        drawn = batch.memory["drawn"].clone()
        new = [
            torch.rand(drawn.shape[1:], generator=self.problem.generator("search", index, step))
            for index, step in zip(batch.index[due].tolist(), batch.step[due].tolist(), strict=True)
        ]
        drawn[send(due, drawn.device)] = send(torch.stack(new).to(drawn.dtype), drawn.device)
        return replace(batch, memory={**batch.memory, "drawn": drawn})

    def _without(self, batch: ActiveBatch, over: Tensor) -> ActiveBatch:
        """The rows that go on; the images of the rows in the mask `over` (B,), on the CPU, are kept."""
        places = indices(over)
        if not len(places):
            return batch
        self.found.keep(batch.index[places], batch.x[send(places, batch.x.device)])
        self.problem.advance(len(places))
        return batch.rows(~over)


def _repeated(tensor: Tensor, times: int) -> Tensor:
    """Every row of a tensor `times` times, one after another."""
    return tensor if times == 1 else tensor[:, None].expand(-1, times, *tensor.shape[1:]).flatten(0, 1)
