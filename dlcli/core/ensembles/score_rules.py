"""How networks that predict scores decide together: the outputs of their ensemble are the scores of its members."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from dlcli.core.objectives.base import ScoreObjective, TrainingScores
from dlcli.support.errors import UsageError


def _median(scores: Tensor) -> Tensor:
    """The middle one, or the mean of the two in the middle, which torch's own does not give."""
    ordered, last = scores.sort(1).values, scores.shape[1] - 1
    return (ordered[:, last // 2] + ordered[:, (last + 1) // 2]) / 2


SCORE_RULES: dict[str, Callable[[Tensor], Tensor]] = {"mean": lambda scores: scores.mean(1), "median": _median}
"""The rules by the names they have on the command line: from the scores of the members (n, members) to scores (n,)."""


class MemberScores(nn.Module):
    """Several networks as one, whose outputs are the scores of each.

    Args:
        members: The networks.
        values: For each, how scores (n,) are read from its outputs (n, k).
    """

    def __init__(self, members: Sequence[nn.Module], values: Sequence[Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.members, self.values = nn.ModuleList(members), tuple(values)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, ...) to scores (n, members)."""
        pairs = zip(self.members, self.values, strict=True)
        return torch.stack([value(member(x)) for member, value in pairs], 1)


@dataclass(frozen=True)
class CombinedScores(ScoreObjective):
    """Reads the score of an ensemble from those of its members; nothing is trained by it, since members are trained alone."""

    name: ClassVar[str] = "of the members"
    rule: str
    members: int

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`."""
        raise UsageError("an ensemble is trained member by member")

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `ScoreObjective`."""
        return tuple(f"member {number}" for number in range(1, self.members + 1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean squared error of the combined score; see `Objective`."""
        return ((self.value(outputs) - y) ** 2).mean()

    def value(self, outputs: Tensor) -> Tensor:
        """See `ScoreObjective`."""
        return SCORE_RULES[self.rule](outputs)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Self:
        """What `to_json` wrote; raises KeyError or TypeError for anything else."""
        members = settings["members"]
        if isinstance(members, bool) or not isinstance(members, int) or settings["rule"] not in SCORE_RULES:
            raise TypeError("not an ensemble of scores")
        return cls(settings["rule"], members)
