"""GenAttack: a genetic algorithm in place of a gradient (Alzantot et al. 2019, arXiv 1805.11090, algorithm 1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dlcli.core.attacks.base import Threat
from dlcli.core.attacks.batch import Lanes
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.norms import like_images
from dlcli.core.attacks.score_search import Searching
from dlcli.support.errors import UsageError

LEAST_RATE, LEAST_RANGE = 0.1, 0.15
"""The mutation rate and range (in units of eps) that are never undercut."""

FIRST_RATE, FIRST_RANGE = 0.5, 0.4
"""Those of the first generations."""

DECAY, PATIENCE = 0.9, 100
"""After every `PATIENCE` generations without a gain both are multiplied by `DECAY`."""


@dataclass(frozen=True)
class Genetic(Searching):
    """A population of changed images, of which the fitter have more children; the fittest lives on.

    The fitness is the log-odds of the class aimed at, or minus those of the label. A child takes each value from one of two
    parents, by their fitness, and is then mutated. The first generation is drawn from the ball; it has no elder to keep, so
    each generation costs `population` - 1 queries.

    It needs a score for every class, no gradient: it works through any rule of an ensemble. Through a vote the scores rise
    in steps, one a member; of a network that gives its decision alone there is nothing to climb.
    """

    population: int = 6
    temperature: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("population", self.population)
        if not 3 <= self.population <= self.queries + 1:
            hint = f"give a whole number from 3 to {self.queries + 1}, one more than the queries"
            raise UsageError(f"population is {self.population}", hint=hint)
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"temperature is {self.temperature}", hint="give a number above 0; 0.3 is usual")

    @property
    def asks(self) -> int:
        """The children."""
        return self.population - 1

    def score(self, logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
        """The log-odds of the class aimed at, or minus those of the label."""
        one = (label if aim is None else aim)[:, None]
        odds = logits.gather(1, one)[:, 0] - logits.scatter(1, one, -torch.inf).logsumexp(1)
        return -odds if aim is None else odds

    def width(self, clean: Tensor) -> int:
        """For each child two parents, and for each of its values which parent and which mutation."""
        return self.asks * (2 + 2 * clean.numel())

    def memory(self, x: Tensor) -> Mapping[str, Tensor]:
        """A population that has not been born yet."""
        zero = x.new_zeros(len(x))
        return {
            "members": x[:, None].repeat_interleave(self.population, 1),
            "fitness": x.new_full((len(x), self.population), -torch.inf),
            "best": zero - torch.inf,
            "idle": zero,
            "plateaus": zero,
        }

    def propose(self, lanes: Lanes, drawn: Tensor, threat: Threat) -> Tensor:
        """Points of the ball, then children."""
        n, size = len(lanes), lanes.clean[0].numel()
        picks, *parts = torch.split(drawn.reshape(n, self.asks, 2 + 2 * size), [2, size, size], dim=2)
        shape = (n, self.asks, *lanes.clean.shape[1:])
        mixing, change = (part.reshape(shape) for part in parts)
        born = like_images(lanes.step > 0, mixing)
        children = self._children(lanes, picks, mixing) + threat.eps * mutation(change, lanes.memory["plateaus"])
        return torch.where(born, children, lanes.clean[:, None] + threat.eps * (2 * mixing - 1))

    def _children(self, lanes: Lanes, picks: Tensor, mixing: Tensor) -> Tensor:
        """Each value from the first parent with the chance p1 / (p1 + p2), where p is how likely one is to be a parent."""
        fitness = torch.where(lanes.step[:, None] > 0, lanes.memory["fitness"], 0)
        chance = torch.softmax(fitness / self.temperature, dim=1)
        ends = chance.cumsum(1)
        # In units of their own sum, so that rounding leaves no draw beyond the last member.
        parent = torch.searchsorted(ends, picks.flatten(1) * ends[:, -1:], right=True).clamp_max(self.population - 1)
        own = chance.gather(1, parent).reshape(len(lanes), self.asks, 2)
        row = torch.arange(len(lanes), device=parent.device)[:, None]
        first, second = (lanes.memory["members"][row, parent[:, k::2]] for k in (0, 1))
        share = own[..., 0] / own.sum(2)
        return torch.where(mixing < share.reshape(*share.shape, *[1] * (mixing.dim() - 2)), first, second)

    def judge(self, lanes: Lanes, proposed: Tensor, score: Tensor) -> Lanes:
        """The elder and the children are the next parents; the fittest of them is the next elder."""
        memory, (height, which) = lanes.memory, score.max(1)
        better = height > memory["best"]
        fittest = proposed[torch.arange(len(lanes), device=which.device), which]
        idle = torch.where(better, 0, memory["idle"] + 1)
        plateau = idle >= PATIENCE
        after = {
            "members": torch.cat([lanes.x[:, None], proposed], dim=1),
            "fitness": torch.cat([memory["best"][:, None], score], dim=1),
            "best": torch.where(better, height, memory["best"]),
            "idle": torch.where(plateau, 0, idle),
            "plateaus": memory["plateaus"] + plateau,
        }
        return replace(lanes, x=torch.where(like_images(better, lanes.x), fittest, lanes.x), memory=after)


def mutation(drawn: Tensor, plateaus: Tensor) -> Tensor:
    """What is added to children, in units of eps, from `drawn` (n, ...), uniform in [0, 1), after `plateaus` (n,)."""
    rate = like_images((FIRST_RATE * DECAY**plateaus).clamp_min(LEAST_RATE), drawn)
    reach = like_images((FIRST_RANGE * DECAY**plateaus).clamp_min(LEAST_RANGE), drawn)
    # Of the numbers below the rate, each divided by it is uniform again: one draw says whether and how much.
    return torch.where(drawn < rate, reach * (2 * drawn / rate - 1), 0)


ATTACK = Genetic()
