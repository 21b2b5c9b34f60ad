"""What is done beside the attacks asked for, so that the checks have something to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.iterated import Iterated
from dlcli.core.compute import rng
from dlcli.core.compute.forward import in_mode, predict_logits
from dlcli.core.ensembles.combine import RULES
from dlcli.engines.attack.checks import Seen
from dlcli.engines.attack.crafting import Court, Made, Verdict, worst
from dlcli.engines.attack.networks import BASELINE
from dlcli.engines.attack.rows import rule_name
from dlcli.engines.attack.setup import Bench, has

Bools = NDArray[np.bool_]

_FEW = 50
_SAME = 1e-4


@dataclass(frozen=True)
class Probe:
    """The network in the lead, beside the bench it stands on, and the classes to reach, if there are any."""

    bench: Bench
    model: nn.Module
    targets: Tensor | None

    def stands(self, attack: Attack, eps: float, picked: NDArray[np.intp] | None = None) -> tuple[Bools, Tensor]:
        """On which images, all or those `picked`, an attack fails, (n,), and the attacked images."""
        bench = self.bench
        place = np.arange(len(bench.x)) if picked is None else picked
        x, y, aims = bench.x[place], bench.y[place], None if self.targets is None else self.targets[place]
        seed = rng.derive(bench.config.seed, "attack", attack.name)
        with bench.report.task(f"checking with {attack.name} at eps {eps:g}", len(x)) as task:
            found = attack(self.model, x, y, eps=eps, norm=bench.norm, targets=aims, seed=seed, task=task)
        said = predict_logits(self.model, found, device=bench.device).argmax(-1)
        return (said == y if aims is None else said != aims).numpy(), found

    def beside(self, names: Sequence[str]) -> dict[str, dict[float, Bools]]:
        """The references by name and eps; those that know no targets are none where there are any."""
        attacks = [one for one in map(load_attack, names) if one.targeted or self.targets is None]
        return {one.name: {eps: self.stands(one, eps)[0] for eps in self.bench.eps} for one in attacks}

    def zero_gradients(self, stands: Bools) -> int:
        """How many of the images that stand as they are have a gradient of exactly 0: the one step of FGSM leaves them."""
        eps = max(self.bench.eps)
        picked = np.flatnonzero(stands)
        if eps == 0 or not len(picked):
            return 0
        _, found = self.stands(load_attack("fgsm"), eps, picked)
        return int((found == self.bench.x[picked]).flatten(1).all(1).sum())

    def huge(self) -> Bools:
        """Which of a few images stand under PGD at the largest eps there is."""
        some = np.arange(min(_FEW, len(self.bench.x)))
        return self.stands(load_attack("pgd"), self.bench.most_eps, some)[0]

    def doubled(self, by_eps: Mapping[float, Bools], attack: Attack) -> tuple[float, Bools, Bools]:
        """Where nearest to a half of the images stand: which do as asked, and after twice the steps too."""
        eps = min(by_eps, key=lambda one: (abs(float(by_eps[one].mean()) - 0.5), one))
        once = by_eps[eps]
        still, twice = np.flatnonzero(once), once.copy()
        if eps > 0 and len(still):
            steps: int = 2 * getattr(attack, "steps")  # noqa: B009 - not every attack has steps
            twice[still] = self.stands(attack.with_options(steps=steps), eps, still)[0]
        return eps, once, twice

    def answers(self) -> tuple[bool, int]:
        """Whether the network gives probabilities, and how many of a few images get other logits at a second call."""
        some = self.bench.x[: 2 * _FEW]
        with in_mode(self.model):
            first, second = (predict_logits(self.model, some, device=self.bench.device) for _ in range(2))
        sums_to_1 = bool(((first.sum(1) - 1).abs() < _SAME).all()) and bool((first >= 0).all())
        near = torch.isclose(first, second, rtol=_SAME, atol=_SAME).all(1)
        return sums_to_1, int((~near).sum())


def seen(court: Court, clean: Verdict, predicted: NDArray[Any], made: Sequence[Made]) -> Seen:
    """Everything the checks look at; what they need besides is run here.

    `clean` is the verdict on the clean images, and `predicted` (n,) what the network in the lead says of them.
    """
    bench, probe = court.bench, Probe(court.bench, court.network(court.lead), court.targets)
    right = clean.of(court.lead)
    probabilities, unsteady = probe.answers()
    asked = bench.config.methods
    by_method = _by_method(made)
    looking = [one for one in bench.attacks if one.knowledge == "gradients"]
    looks: tuple[str, ...] = ()
    huge, doubled, zero = None, None, 0
    if looking:
        looks = tuple(one.name for one in looking if isinstance(one, Iterated))
        by_method |= probe.beside([name for name in ("noise", *_reference(looks)) if name not in by_method])
        zero = probe.zero_gradients(right if court.targets is None else predicted != court.targets.numpy())
        huge = probe.huge()
        longest = [one for one in looking if has(one, "steps")]
        doubled = probe.doubled(_all(by_method, asked), longest[0]) if longest else None
    return Seen(
        classes=len(bench.data.classes),
        clean=right,
        by_method=by_method,
        asked=asked,
        looks=looks,
        blind=tuple(one.name for one in bench.attacks if one.knowledge != "gradients"),
        zero_gradients=zero,
        huge=huge,
        doubled=doubled,
        probabilities=probabilities,
        unsteady=unsteady,
        through_rules=_through_rules(made) if looking else None,
    )


def _reference(looks: tuple[str, ...]) -> tuple[str, ...]:
    return ("fgsm",) if looks else ()


def _by_method(made: Sequence[Made]) -> dict[str, dict[float, Bools]]:
    found: dict[str, dict[float, Bools]] = {}
    for one in made:
        if one.images is not None:
            found.setdefault(one.method, {})[one.eps] = one.stands
    return found


def _all(by_method: Mapping[str, Mapping[float, Bools]], asked: tuple[str, ...]) -> dict[float, Bools]:
    """Who stands up to all methods asked for, by eps."""
    return {eps: np.logical_and.reduce([by_method[name][eps] for name in asked]) for eps in by_method[asked[0]]}


def _through_rules(made: Sequence[Made]) -> dict[str, dict[float, tuple[Bools, Bools]]]:
    """By rule and eps: who is right on the images made through the rule, and on those made on the baseline, if there is one."""
    found: dict[str, dict[float, tuple[Bools, Bools]]] = {}
    for eps in dict.fromkeys(one.eps for one in made):
        for rule in RULES:
            own, transferred = (_under(made, eps, through) for through in (rule, BASELINE))
            if own is not None and transferred is not None:
                found.setdefault(rule_name(rule), {})[eps] = own.rules[rule], transferred.rules[rule]
    return found


def _under(made: Sequence[Made], eps: float, through: str) -> Verdict | None:
    verdicts = [one.right for one in made if (one.eps, one.through) == (eps, through)]
    return worst(verdicts) if verdicts else None
