"""GenAttack: a genetic algorithm in place of a gradient (Alzantot et al. 2019, arXiv 1805.11090, algorithm 1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import ThreatModel, check_count
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.score_search import ScoreSearch
from dlcli.support.errors import UsageError

MIN_RATE, MIN_RANGE = 0.1, 0.15
"""The lowest mutation rate and range (in units of eps)."""

FIRST_RATE, FIRST_RANGE = 0.5, 0.4
"""The rate and range of the first generations."""

DECAY, PATIENCE = 0.9, 100
"""After every `PATIENCE` generations without improvement both are multiplied by `DECAY`."""


@dataclass(frozen=True)
class Genetic(ScoreSearch):
    """A population of changed images, in which fitter members have more children and the fittest survives (elitism).

    The fitness is the log-odds of the target class, or minus those of the label. A child takes each value from one of two
    parents, chosen by their fitness, and is then mutated. The first generation is drawn from the ball. The survivor is not
    queried again, so each generation costs `population` - 1 queries.

    It needs the scores of all classes and no gradient, so it works with every rule of an ensemble. With a vote the scores
    change in steps of one member; a network that returns only its decision gives the search no information.
    """

    population: int = 6
    temperature: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("population", self.population)
        if not 3 <= self.population <= self.queries + 1:
            hint = f"give an integer from 3 to {self.queries + 1}, one more than the queries"
            raise UsageError(f"`population` is {self.population}", hint=hint)
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"`temperature` must be above 0, not {self.temperature}", hint="0.3 is usual")

    @property
    @override
    def queries_per_step(self) -> int:
        """The children of a generation."""
        return self.population - 1

    @override
    def score(self, logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
        """The log-odds of the target class, or minus those of the label."""
        one = (label if target_class is None else target_class)[:, None]
        odds = logits.gather(1, one)[:, 0] - logits.scatter(1, one, -torch.inf).logsumexp(1)
        return -odds if target_class is None else odds

    @override
    def num_draws(self, clean: Tensor) -> int:
        """For each child two for its parents, and for each of its values one for the parent and one for the mutation."""
        return self.queries_per_step * (2 + 2 * clean.numel())

    @override
    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """A population without fitness, before the first generation."""
        zero = x.new_zeros(len(x))
        return {
            "members": x[:, None].repeat_interleave(self.population, 1),
            "fitness": x.new_full((len(x), self.population), -torch.inf),
            "best": zero - torch.inf,
            "idle": zero,
            "plateaus": zero,
        }

    @override
    def propose(self, batch: ActiveBatch, drawn: Tensor, threat: ThreatModel) -> Tensor:
        """Random points of the ball, then children."""
        n, size = len(batch), batch.clean[0].numel()
        picks, *parts = torch.split(drawn.reshape(n, self.queries_per_step, 2 + 2 * size), [2, size, size], dim=2)
        shape = (n, self.queries_per_step, *batch.clean.shape[1:])
        mixing, change = (part.reshape(shape) for part in parts)
        has_parents = like_images(batch.step_there > 0, mixing)
        children = self._children(batch, picks, mixing) + threat.eps * mutation(change, batch.memory["plateaus"])
        return torch.where(has_parents, children, batch.clean[:, None] + threat.eps * (2 * mixing - 1))

    def _children(self, batch: ActiveBatch, picks: Tensor, mixing: Tensor) -> Tensor:
        """Each value from the first parent with probability p1 / (p1 + p2), p the probability that a member is a parent."""
        fitness = torch.where(batch.step_there[:, None] > 0, batch.memory["fitness"], 0)
        probability = torch.softmax(fitness / self.temperature, dim=1)
        cumulative = probability.cumsum(1)
        # Times the sum of all, so that rounding leaves no draw beyond the last member.
        parent = torch.searchsorted(cumulative, picks.flatten(1) * cumulative[:, -1:], right=True).clamp_max(
            self.population - 1
        )
        own = probability.gather(1, parent).reshape(len(batch), self.queries_per_step, 2)
        row = torch.arange(len(batch), device=parent.device)[:, None]
        first, second = (batch.memory["members"][row, parent[:, k::2]] for k in (0, 1))
        share = own[..., 0] / own.sum(2)
        return torch.where(mixing < share.reshape(*share.shape, *[1] * (mixing.dim() - 2)), first, second)

    @override
    def update(self, batch: ActiveBatch, proposed: Tensor, score: Tensor) -> ActiveBatch:
        """The survivor and the children are the next parents, and the fittest of them the next survivor."""
        memory, (fitness, which) = batch.memory, score.max(1)
        better = fitness > memory["best"]
        fittest = proposed[torch.arange(len(batch), device=which.device), which]
        idle = torch.where(better, 0, memory["idle"] + 1)
        plateau = idle >= PATIENCE
        after = {
            "members": torch.cat([batch.x[:, None], proposed], dim=1),
            "fitness": torch.cat([memory["best"][:, None], score], dim=1),
            "best": torch.where(better, fitness, memory["best"]),
            "idle": torch.where(plateau, 0, idle),
            "plateaus": memory["plateaus"] + plateau,
        }
        return replace(batch, x=torch.where(like_images(better, batch.x), fittest, batch.x), memory=after)


def mutation(drawn: Tensor, plateaus: Tensor) -> Tensor:
    """The mutation of children in units of eps, from `drawn` (n, ...), uniform in [0, 1), after `plateaus` (n,) plateaus."""
    rate = like_images((FIRST_RATE * DECAY**plateaus).clamp_min(MIN_RATE), drawn)
    max_change = like_images((FIRST_RANGE * DECAY**plateaus).clamp_min(MIN_RANGE), drawn)
    # A number below the rate, divided by the rate, is uniform again: one draw decides both whether and how much to mutate.
    return torch.where(drawn < rate, max_change * (2 * drawn / rate - 1), 0)


ATTACK = Genetic()
