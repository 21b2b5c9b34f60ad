"""Auto-PGD on the targeted difference of logits ratio, APGD-T (Croce & Hein 2020, arXiv 2003.01690, equation 8)."""

from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks.apgd import APGD
from dlcli.core.attacks.base import Problem, check_count
from dlcli.core.attacks.losses import targeted_difference_of_logits_ratio
from dlcli.core.attacks.margin import top_wrong_classes


@dataclass(frozen=True)
class APGDT(APGD):
    """One run towards each of the `classes` wrong classes with the greatest logits; any misclassification is a success.

    With targets, these are the only target classes, and only they are a success.
    """

    min_classes = 4
    needs_clean_logits = True

    classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("classes", self.classes)

    @override
    def target_classes(self, problem: Problem, logits: Tensor | None) -> Tensor | None:
        """The wrong classes by decreasing logit, (n, runs), all of them once before any again."""
        if problem.targets is not None or logits is None:
            return super().target_classes(problem, logits)
        return top_wrong_classes(logits, problem.y.cpu().long(), self.classes).repeat(1, self.restarts)

    @override
    def loss(self, logits: Tensor, label: Tensor, target_class: Tensor | None) -> Tensor:
        """The targeted ratio."""
        if target_class is None:
            raise ValueError("APGD-T needs a target class")
        return targeted_difference_of_logits_ratio(logits, label, target_class)


ATTACK = APGDT()
