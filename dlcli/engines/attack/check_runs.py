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
from dlcli.engines.attack.checks import CheckInputs
from dlcli.engines.attack.crafting import AdversarialSet, AttackRun, Correctness, worst
from dlcli.engines.attack.networks import BASELINE
from dlcli.engines.attack.rows import rule_name
from dlcli.engines.attack.setup import AttackSetup, has_setting

Bools = NDArray[np.bool_]

_FEW = 50
_SAME = 1e-4


@dataclass(frozen=True)
class Probe:
    """The network in the reference network, beside the bench it stands on, and the classes to reach, if there are any."""

    setup: AttackSetup
    model: nn.Module
    targets: Tensor | None

    def attack_failed(self, attack: Attack, eps: float, picked: NDArray[np.intp] | None = None) -> tuple[Bools, Tensor]:
        """On which images, all or those `picked`, an attack fails, (n,), and the attacked images."""
        setup = self.setup
        place = np.arange(len(setup.x)) if picked is None else picked
        x, y, aims = setup.x[place], setup.y[place], None if self.targets is None else self.targets[place]
        seed = rng.derive(setup.config.seed, "attack", attack.name)
        with setup.report.task(f"checking with {attack.name} at eps {eps:g}", len(x)) as task:
            found = attack(self.model, x, y, eps=eps, norm=setup.norm, targets=aims, seed=seed, task=task)
        said = predict_logits(self.model, found, device=setup.device).argmax(-1)
        return (said == y if aims is None else said != aims).numpy(), found

    def beside(self, names: Sequence[str]) -> dict[str, dict[float, Bools]]:
        """The references by name and eps; those that know no targets are none where there are any."""
        attacks = [one for one in map(load_attack, names) if one.targeted or self.targets is None]
        return {one.name: {eps: self.attack_failed(one, eps)[0] for eps in self.setup.eps} for one in attacks}

    def zero_gradients(self, attack_failed: Bools) -> int:
        """How many of the images that stand as they are have a gradient of exactly 0: the one step of FGSM leaves them."""
        eps = max(self.setup.eps)
        picked = np.flatnonzero(attack_failed)
        if eps == 0 or not len(picked):
            return 0
        _, found = self.attack_failed(load_attack("fgsm"), eps, picked)
        return int((found == self.setup.x[picked]).flatten(1).all(1).sum())

    def huge(self) -> Bools:
        """Which of a few images stand under PGD at the largest eps there is."""
        some = np.arange(min(_FEW, len(self.setup.x)))
        return self.attack_failed(load_attack("pgd"), self.setup.max_eps, some)[0]

    def doubled(self, by_eps: Mapping[float, Bools], attack: Attack) -> tuple[float, Bools, Bools]:
        """Where nearest to a half of the images stand: which do as asked, and after twice the steps too."""
        eps = min(by_eps, key=lambda one: (abs(float(by_eps[one].mean()) - 0.5), one))
        once = by_eps[eps]
        still, twice = np.flatnonzero(once), once.copy()
        if eps > 0 and len(still):
            steps: int = 2 * getattr(attack, "steps")  # noqa: B009 - not every attack has steps
            twice[still] = self.attack_failed(attack.with_options(steps=steps), eps, still)[0]
        return eps, once, twice

    def answers(self) -> tuple[bool, int]:
        """Whether the network gives probabilities, and how many of a few images get other logits at a second call."""
        some = self.setup.x[: 2 * _FEW]
        with in_mode(self.model):
            first, second = (predict_logits(self.model, some, device=self.setup.device) for _ in range(2))
        sums_to_1 = bool(((first.sum(1) - 1).abs() < _SAME).all()) and bool((first >= 0).all())
        near = torch.isclose(first, second, rtol=_SAME, atol=_SAME).all(1)
        return sums_to_1, int((~near).sum())


def seen(attack_run: AttackRun, clean: Correctness, predicted: NDArray[Any], made: Sequence[AdversarialSet]) -> CheckInputs:
    """Everything the checks look at; what they need besides is run here.

    `clean` is the verdict on the clean images, and `predicted` (n,) what the reference network says of them.
    """
    setup, probe = attack_run.setup, Probe(attack_run.setup, attack_run.network(attack_run.reference), attack_run.targets)
    right = clean.of(attack_run.reference)
    probabilities, unsteady = probe.answers()
    asked = setup.config.methods
    by_method = _by_method(made)
    looking = [one for one in setup.attacks if one.knowledge == "gradients"]
    looks: tuple[str, ...] = ()
    huge, doubled, zero = None, None, 0
    if looking:
        looks = tuple(one.name for one in looking if isinstance(one, Iterated))
        by_method |= probe.beside([name for name in ("noise", *_reference(looks)) if name not in by_method])
        zero = probe.zero_gradients(right if attack_run.targets is None else predicted != attack_run.targets.numpy())
        huge = probe.huge()
        longest = [one for one in looking if has_setting(one, "steps")]
        doubled = probe.doubled(_all(by_method, asked), longest[0]) if longest else None
    return CheckInputs(
        classes=len(setup.data.classes),
        clean=right,
        by_method=by_method,
        asked=asked,
        looks=looks,
        blind=tuple(one.name for one in setup.attacks if one.knowledge != "gradients"),
        zero_gradients=zero,
        huge=huge,
        doubled=doubled,
        probabilities=probabilities,
        unsteady=unsteady,
        through_rules=_through_rules(made) if looking else None,
    )


def _reference(looks: tuple[str, ...]) -> tuple[str, ...]:
    return ("fgsm",) if looks else ()


def _by_method(made: Sequence[AdversarialSet]) -> dict[str, dict[float, Bools]]:
    found: dict[str, dict[float, Bools]] = {}
    for one in made:
        if one.images is not None:
            found.setdefault(one.method, {})[one.eps] = one.attack_failed
    return found


def _all(by_method: Mapping[str, Mapping[float, Bools]], asked: tuple[str, ...]) -> dict[float, Bools]:
    """Who stands up to all methods asked for, by eps."""
    return {eps: np.logical_and.reduce([by_method[name][eps] for name in asked]) for eps in by_method[asked[0]]}


def _through_rules(made: Sequence[AdversarialSet]) -> dict[str, dict[float, tuple[Bools, Bools]]]:
    """By rule and eps: who is right on the images made through the rule, and on those made on the baseline, if there is one."""
    found: dict[str, dict[float, tuple[Bools, Bools]]] = {}
    for eps in dict.fromkeys(one.eps for one in made):
        for rule in RULES:
            own, transferred = (_under(made, eps, made_on) for made_on in (rule, BASELINE))
            if own is not None and transferred is not None:
                found.setdefault(rule_name(rule), {})[eps] = own.rules[rule], transferred.rules[rule]
    return found


def _under(made: Sequence[AdversarialSet], eps: float, made_on: str) -> Correctness | None:
    verdicts = [one.right for one in made if (one.eps, one.made_on) == (eps, made_on)]
    return worst(verdicts) if verdicts else None
