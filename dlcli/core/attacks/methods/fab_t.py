"""FAB with each likely class as the target in turn, FAB-T (Croce & Hein 2020, arXiv 2003.01690, section 5)."""

from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.base import Problem
from dlcli.core.attacks.margin import top_wrong_classes
from dlcli.core.attacks.methods.fab import FAB


@dataclass(frozen=True)
class FABT(FAB):
    """One run of FAB to the boundary with each of the `classes` likeliest wrong classes; any misclassification is a success.

    A step costs one backward pass, whatever the number of classes. With targets, these are the only target classes, and only
    they are a success.
    """

    @override
    def target_classes(self, problem: Problem, logits: Tensor) -> Tensor | None:
        """The wrong classes by decreasing logit, (n, runs), all of them once before any again."""
        if problem.targets is not None:
            return super().target_classes(problem, logits)
        return top_wrong_classes(logits, problem.y.cpu().long(), self.classes).repeat(1, self.restarts)


ATTACK = FABT()
