"""The standard parameter-free set, as AutoAttack runs it (Croce & Hein 2020, arXiv 2003.01690, section 5)."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack, Problem
from dlcli.core.attacks.iterated import check_count
from dlcli.core.attacks.score_search import answers, decided, fooled_already
from dlcli.core.compute.forward import logits_of

PARTS = ("apgd-ce", "apgd-t", "fab-t", "square")
"""In the order of AutoAttack: the cheap and strong first."""


@dataclass(frozen=True)
class Auto(Attack):
    """APGD on the cross-entropy, targeted APGD, targeted FAB and Square, each on the images that still stand.

    An image leaves at its first success, so robust accuracy is that of the worst of them on each image. An image that
    withstands all is what the first made of it. A part that needs more classes than there are is replaced or left out: of
    three classes apgd-dlr takes the place of apgd-t; of two APGD on either loss goes the same way. So is a part that knows
    no targets, if there are any.

    The settings go to the parts that have them; those of AutoAttack are the default, and only figures by these compare with
    others' figures.
    """

    norms = ("linf", "l2")
    targeted = True

    steps: int = 100
    queries: int = 5000
    classes: int = 9

    def __post_init__(self) -> None:
        for setting in fields(self):
            check_count(setting.name, getattr(self, setting.name))

    def craft(self, problem: Problem, *, full: bool) -> Tensor:
        """Run the parts in order; with `full` each takes all steps, also on images that are fooled as they are."""
        found = problem.x.clone()
        open_ = torch.ones(len(found), dtype=torch.bool) if full else ~fooled_already(problem)
        problem.advance(int((~open_).sum()))
        for k, part in enumerate(self._parts(problem)):
            if not bool(open_.any()):
                return found
            rest = _those(problem, open_)
            images = problem.threat.held(part.craft(rest, full=full), rest.x)
            success = decided(answers(rest, images).cpu(), rest.y.cpu(), None if rest.targets is None else rest.targets.cpu())
            # Of no use to any part, an image is left as the first, the strongest, made it.
            kept = success if k else torch.ones_like(success)
            place = open_.nonzero()[:, 0]
            found[place[kept].to(found.device)] = images[kept.to(images.device)]
            open_[place[success]] = False
            problem.advance(int(success.sum()))
        problem.advance(int(open_.sum()))
        return found

    def _parts(self, problem: Problem) -> Iterator[Attack]:
        """The attacks that can be run."""
        classes = logits_of(problem.model, problem.x[:1].to(problem.device)).shape[1]
        for name in PARTS:
            part = self._part("apgd-dlr" if name == "apgd-t" and classes == 3 else name)
            if part.least_classes <= classes and (part.targeted or problem.targets is None):
                yield part

    def _part(self, name: str) -> Attack:
        part = load_attack(name)
        known = {field.name for field in fields(part)}
        ours = {field.name: getattr(self, field.name) for field in fields(self)}
        return part.with_options(**{key: value for key, value in ours.items() if key in known})


def _those(problem: Problem, picked: Tensor) -> Problem:
    """The problem of the images that `picked`, a mask (n,), picks; nobody counts its progress."""
    x, y = (one[picked.to(one.device)] for one in (problem.x, problem.y))
    targets = None if problem.targets is None else problem.targets[picked.to(problem.targets.device)]
    return replace(problem, x=x, y=y, targets=targets, task=None)


ATTACK = Auto()
