"""Auto-PGD on the targeted difference of logits ratio, APGD-T (Croce & Hein 2020, arXiv 2003.01690, equation 8)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.core.attacks.apgd import APGD
from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.losses import targeted_difference_of_logits_ratio


@dataclass(frozen=True)
class APGDT(APGD):
    """A run towards each of the `classes` likeliest wrong classes in turn, the likeliest first; any error is a success.

    Given targets, it aims at these only, and only they are a success.
    """

    least_classes = 4
    ranks_classes = True

    classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("classes", self.classes)

    def aims(self, problem: Problem, logits: Tensor | None) -> Tensor | None:
        """The wrong classes by falling logit, (n, runs), all of them once before any again."""
        if problem.targets is not None or logits is None:
            return super().aims(problem, logits)
        wrong = logits.scatter(1, problem.y.cpu().long()[:, None], -torch.inf)
        likeliest = wrong.topk(min(self.classes, logits.shape[1] - 1), dim=1).indices
        return likeliest.repeat(1, self.restarts)

    def loss(self, logits: Tensor, label: Tensor, aim: Tensor | None) -> Tensor:
        """The ratio; it always aims."""
        if aim is None:
            raise ValueError("APGD-T was given no class to aim at")
        return targeted_difference_of_logits_ratio(logits, label, aim)


ATTACK = APGDT()
