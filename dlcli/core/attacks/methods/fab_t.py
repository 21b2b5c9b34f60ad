"""FAB towards one class after another, FAB-T (Croce & Hein 2020, arXiv 2003.01690, section 5)."""

from dataclasses import dataclass

from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.margin import likeliest_wrong
from dlcli.core.attacks.methods.fab import FAB


@dataclass(frozen=True)
class FABT(FAB):
    """A run of FAB to the boundary with each of the `classes` likeliest wrong classes in turn; any error is a success.

    One backward pass a step, whatever the number of classes. Given targets, it aims at these only, and only they are a
    success.
    """

    def aims(self, problem: Problem, logits: Tensor) -> Tensor | None:
        """The wrong classes by falling logit, (n, runs), all of them once before any again."""
        if problem.targets is not None:
            return super().aims(problem, logits)
        return likeliest_wrong(logits, problem.y.cpu().long(), self.classes).repeat(1, self.restarts)


ATTACK = FABT()
