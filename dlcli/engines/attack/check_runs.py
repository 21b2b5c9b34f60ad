"""Runs beside the attacks that were asked for, to give the sanity checks something to compare with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.iterated import IterativeAttack
from dlcli.core.compute.forward import in_mode, predict_logits
from dlcli.core.ensembles.combine import RULES
from dlcli.core.models.output_checks import differing, sees_batch, sums_to_1
from dlcli.engines.attack.checks import CheckInputs, DoubledSteps, RuleImages
from dlcli.engines.attack.crafting import AdversarialSet, AttackRun, Correctness, Evaluation, correct_on_all
from dlcli.engines.attack.networks import BASELINE
from dlcli.engines.attack.setup import AttackSetup, has_setting
from dlcli.specs.attack import Classifier
from dlcli.support.seeds import derive

Bools = NDArray[np.bool_]

_FEW = 50


class Attempt(NamedTuple):
    """Which images an attack fails on, (n,), and the images that it made, (n, c, h, w)."""

    robust: Bools
    images: Tensor


class LogitCheck(NamedTuple):
    """Whether logits look like probabilities, how many images get others in a second call, if one does in another batch."""

    probabilities: bool
    nondeterministic: int
    sees_batch: bool


@dataclass(frozen=True)
class ReferenceChecks:
    """Runs attacks on the reference network; `targets` (n,) are the classes to reach, None without targets."""

    setup: AttackSetup
    model: nn.Module
    targets: Tensor | None

    def attempt(self, attack: Attack, eps: float, picked: NDArray[np.intp] | None = None) -> Attempt:
        """Attack all images, or those at the indices `picked`."""
        setup = self.setup
        index = np.arange(len(setup.x)) if picked is None else picked
        x, y, targets = setup.x[index], setup.y[index], None if self.targets is None else self.targets[index]
        seed = derive(setup.config.seed, "attack", attack.name)
        with setup.report.task(f"checking with {attack.name} at eps {eps:g}, images", len(x)) as task:
            places = setup.places[index]
            images = attack(self.model, x, y, eps=eps, norm=setup.norm, targets=targets, seed=seed, first=places, task=task)
        predicted = predict_logits(self.model, images, device=setup.device).argmax(-1)
        return Attempt((predicted == y if targets is None else predicted != targets).numpy(), images)

    def references(self, names: Sequence[str]) -> dict[str, dict[float, Bools]]:
        """Robust images by method and eps, for the methods that can be run (with targets only targeted ones)."""
        attacks = [one for one in map(load_attack, names) if one.targeted or self.targets is None]
        return {one.name: {eps: self.attempt(one, eps).robust for eps in self.setup.eps} for one in attacks}

    def zero_gradients(self, robust: Bools) -> int:
        """How many of the images that are robust as they are have a gradient of exactly 0."""
        eps = max(self.setup.eps)
        picked = np.flatnonzero(robust)
        if eps == 0 or not len(picked):
            return 0
        # FGSM steps by eps times the sign of the gradient: it leaves an image as it is only where all of the gradient is 0.
        images = self.attempt(load_attack("fgsm"), eps, picked).images
        return int((images == self.setup.x[picked]).flatten(1).all(1).sum())

    def at_max_eps(self) -> Bools:
        """Which of a few images are robust against PGD at the largest eps there is."""
        some = np.arange(min(_FEW, len(self.setup.x)))
        return self.attempt(load_attack("pgd"), self.setup.max_eps, some).robust

    def doubled_steps(self, once: Bools, eps: float, attack: Attack) -> DoubledSteps:
        """Attack the images that are robust at `eps`, `once` (n,), once more with twice the steps."""
        still, twice = np.flatnonzero(once), once.copy()
        if eps > 0 and len(still):
            steps: int = 2 * getattr(attack, "steps")  # noqa: B009 - not every attack has steps
            twice[still] = self.attempt(attack.with_options(steps=steps), eps, still).robust
        return DoubledSteps(eps, once, twice)

    def logits(self) -> LogitCheck:
        """Look at the logits of a few images, twice, and of as many copies of the first of them."""
        some = self.setup.x[: 2 * _FEW]
        batches = some, some, some[[0] * len(some)]
        with in_mode(self.model):
            first, second, repeated = (predict_logits(self.model, x, device=self.setup.device) for x in batches)
        different = differing(first, second)
        return LogitCheck(sums_to_1(first), different, not different and sees_batch(first, repeated))


def eps_near_half(by_eps: Mapping[float, Bools]) -> float:
    """The eps where about half of the images are robust.

    There the most images are close to being fooled. Where nearly all or none are robust, more steps would change little
    whether the attack has converged or not.
    """
    return min(by_eps, key=lambda one: (abs(float(by_eps[one].mean()) - 0.5), one))


def stepped_attack(setup: AttackSetup) -> Attack | None:
    """The first attack by gradients that takes steps, which has to converge; None if there is none."""
    return next((one for one in setup.attacks if one.knowledge == "gradients" and has_setting(one, "steps")), None)


def check_inputs(
    attack_run: AttackRun, clean: Evaluation, sets: Sequence[AdversarialSet], doubled: DoubledSteps | None = None
) -> CheckInputs:
    """Collect what the checks compare, and run what is missing.

    Args:
        attack_run: The networks and the images.
        clean: What the networks answer on the clean images.
        sets: All adversarial images of the run.
        doubled: The effect of twice the steps, None if that was not measured yet.
    """
    setup, targets = attack_run.setup, attack_run.targets
    checks = ReferenceChecks(setup, attack_run.network(attack_run.reference), targets)
    correct = clean.correctness.of(attack_run.reference)
    logits = checks.logits()
    methods = setup.config.methods
    robust = _robust(sets)
    white_box = [one for one in setup.attacks if one.knowledge == "gradients"]
    iterative: tuple[str, ...] = ()
    at_max_eps, zero, stepped = None, 0, stepped_attack(setup)
    if white_box:
        iterative = tuple(one.name for one in white_box if isinstance(one, IterativeAttack))
        references = ("noise", "fgsm") if iterative else ("noise",)
        robust |= checks.references([name for name in references if name not in robust])
        zero = checks.zero_gradients(correct if targets is None else clean.predicted != targets.numpy())
        at_max_eps = checks.at_max_eps()
    if doubled is None and stepped is not None:
        by_eps = robust_by_eps(sets, methods)
        eps = eps_near_half(by_eps)
        doubled = checks.doubled_steps(by_eps[eps], eps, stepped)
    return CheckInputs(
        classes=len(setup.data.classes),
        clean=correct,
        robust=robust,
        methods=methods,
        iterative=iterative,
        gradient_free=tuple(one.name for one in setup.attacks if one.knowledge != "gradients"),
        zero_gradients=zero,
        at_max_eps=at_max_eps,
        doubled=doubled,
        probabilities=logits.probabilities,
        nondeterministic=logits.nondeterministic,
        sees_batch=logits.sees_batch,
        rules=_rules(sets) if white_box else None,
        group=setup.group,
    )


def _robust(sets: Sequence[AdversarialSet]) -> dict[str, dict[float, Bools]]:
    found: dict[str, dict[float, Bools]] = {}
    for one in sets:
        if one.images is not None:
            found.setdefault(one.method, {})[one.eps] = one.attack_failed
    return found


def robust_by_eps(sets: Sequence[AdversarialSet], methods: tuple[str, ...]) -> dict[float, Bools]:
    """Which images are robust against all `methods`, by eps."""
    robust = _robust(sets)
    return {eps: np.logical_and.reduce([robust[name][eps] for name in methods]) for eps in robust[methods[0]]}


def _rules(sets: Sequence[AdversarialSet]) -> dict[Classifier, dict[float, RuleImages]]:
    """By rule and eps, where there are both images made on the rule and images made on the baseline."""
    found: dict[Classifier, dict[float, RuleImages]] = {}
    for eps in dict.fromkeys(one.eps for one in sets):
        for rule in RULES:
            own, transferred = (_correct(sets, eps, network) for network in (rule, BASELINE))
            if own is not None and transferred is not None:
                images = RuleImages(own.rules[rule], transferred.rules[rule])
                found.setdefault(Classifier.of_rule(rule), {})[eps] = images
    return found


def _correct(sets: Sequence[AdversarialSet], eps: float, network: str) -> Correctness | None:
    made = [one.correctness for one in sets if (one.eps, one.made_on) == (eps, network)]
    return correct_on_all(made) if made else None
