"""AutoAttack, the standard parameter-free ensemble of attacks (Croce & Hein 2020, arXiv 2003.01690, section 5)."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from typing_extensions import override

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack, Problem, check_count
from dlcli.core.attacks.decisions import already_adversarial, is_adversarial, query_logits
from dlcli.core.compute.device import send
from dlcli.core.compute.forward import logits_of

PARTS = ("apgd-ce", "apgd-t", "fab-t", "square")
"""In the order of AutoAttack: cheap and strong attacks first."""


@dataclass(frozen=True)
class AutoAttack(Attack):
    """APGD on the cross-entropy, targeted APGD, targeted FAB and Square, each on the images that are still robust.

    An image is done at its first success, so robust accuracy is that against the strongest of them on each image. An image
    that is robust to all is returned as the first attack changed it. An attack that needs more classes than there are is
    replaced or skipped: with three classes apgd-dlr replaces apgd-t, with two both are skipped. An attack that does not
    support targets is skipped if there are any.

    The settings are passed to the attacks that have them. The defaults are those of AutoAttack; only results with these
    compare with published ones.
    """

    norms = ("linf", "l2")
    targeted = True

    steps: int = 100
    queries: int = 5000
    classes: int = 9

    def __post_init__(self) -> None:
        for setting in fields(self):
            check_count(setting.name, getattr(self, setting.name))

    @override
    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Run the attacks in order; with `full` each takes all steps, even on clean images that are misclassified."""
        found = problem.x.clone()
        robust = torch.ones(len(found), dtype=torch.bool) if full else ~already_adversarial(problem)
        problem.advance(int((~robust).sum()))
        for k, part in enumerate(self._parts(problem)):
            if not bool(robust.any()):
                return found
            rest = _subset(problem, robust)
            images = problem.threat.project(part.craft(rest, full=full), rest.x)
            targets = None if rest.targets is None else rest.targets.cpu()
            success = is_adversarial(query_logits(rest, images).cpu(), rest.y.cpu(), targets)
            # An image that is robust to all of them stays as the first, the strongest, changed it.
            kept = success if k else torch.ones_like(success)
            place = robust.nonzero()[:, 0]
            found[place[kept].to(found.device)] = images[kept.to(images.device)]
            robust[place[success]] = False
            problem.advance(int(success.sum()))
        problem.advance(int(robust.sum()))
        return found

    def _parts(self, problem: Problem) -> Iterator[Attack]:
        """The attacks that support the problem."""
        classes = logits_of(problem.model, send(problem.x[:1], problem.device)).shape[1]
        for name in PARTS:
            part = self._part("apgd-dlr" if name == "apgd-t" and classes == 3 else name)
            if part.min_classes <= classes and (part.targeted or problem.targets is None):
                yield part

    def _part(self, name: str) -> Attack:
        part = load_attack(name)
        known = {field.name for field in fields(part)}
        ours = {field.name: getattr(self, field.name) for field in fields(self)}
        return part.with_options(**{key: value for key, value in ours.items() if key in known})


def _subset(problem: Problem, picked: Tensor) -> Problem:
    """The problem of the images that `picked` selects, a mask (n,); its progress is not reported."""
    x, y = (one[picked.to(one.device)] for one in (problem.x, problem.y))
    targets = None if problem.targets is None else problem.targets[picked.to(problem.targets.device)]
    return replace(problem, x=x, y=y, targets=targets, places=problem.places[picked], task=None)


ATTACK = AutoAttack()
