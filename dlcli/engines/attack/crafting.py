"""The attacked images of `dlcli attack`: made through one network after another, and judged by all classifiers."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack, SingleStep
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.attacks.query_count import Counted
from dlcli.core.compute import rng
from dlcli.core.compute.forward import predict_logits
from dlcli.core.ensembles.combine import RULES, MeanLogProbability, RuleModel, SmoothMax, any_correct
from dlcli.engines.attack.networks import BASELINE, REFERENCE_RULE
from dlcli.engines.attack.resume import PartialResult, PartialResults
from dlcli.engines.attack.setup import AttackSetup
from dlcli.support.errors import DlcliError

EVERY_MEMBER, SMOOTHED_MAX = "every member", "smoothed max"
"""What the adaptive attacker climbs."""

_CLIMB_CROSS_ENTROPY = ("fgsm", "bim", "pgd", "mifgsm", "apgd-ce")
"""The methods that climb the cross-entropy, which is what EVERY makes a mean of; for the others pgd does it."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Correctness:
    """Who is right on n images: the baseline (n,), each member (members, n), each rule (n,), the oracle (n,).

    `inside` are rules and oracle of the ensemble that has the baseline as one member more. Without an ensemble the last
    three are empty, without a baseline it and `inside` are.
    """

    baseline: Bools
    members: Bools
    rules: Mapping[str, Bools]
    inside: Mapping[str, Bools]

    def of(self, network: str) -> Bools:
        """Who is right of BASELINE or a rule."""
        return self.baseline if network == BASELINE else self.rules[network]

    def __and__(self, other: "Correctness") -> "Correctness":
        """Who is right on both of two sets of images."""
        return Correctness(
            self.baseline & other.baseline,
            self.members & other.members,
            {name: right & other.rules[name] for name, right in self.rules.items()},
            {name: right & other.inside[name] for name, right in self.inside.items()},
        )


@dataclass(frozen=True)
class AdversarialSet:
    """The verdict on images that `method` made at `eps` through a network: BASELINE, a rule, EVERY or SMOOTH.

    `rounded` is that after 8 bits; `predicted` (n,) is what the reference network predicts; `queries` are forward passes per
    image. The `images` (n, c, h, w) are kept where they were made on the reference network, else they are None. `reached` (n,)
    marks the images classified as their target, None without targets.
    """

    eps: float
    method: str
    made_on: str
    images: Tensor | None
    right: Correctness
    rounded: Correctness
    predicted: NDArray[Any]
    queries: float
    seconds: float
    reached: Bools | None = None

    @property
    def attack_failed(self) -> Bools:
        """On which images the attack failed on the network that they were made through, which is BASELINE or a rule."""
        return self.right.of(self.made_on) if self.reached is None else ~self.reached


@dataclass(frozen=True)
class AttackRun:
    """The baseline, if there is one, and the members, who make the images and judge them.

    `targets` (n,) are the classes to reach. `parts` keeps what was made for a run that is interrupted.
    """

    setup: AttackSetup
    baseline: nn.Module | None
    members: Sequence[nn.Module]
    targets: Tensor | None = None
    parts: PartialResults | None = None

    @property
    def reference(self) -> str:
        """The network whose images are kept: BASELINE, or a rule where there is none."""
        return self.setup.networks.reference

    def judge(self, images: Tensor) -> tuple[Correctness, NDArray[Any]]:
        """Who is right on `images` (n, c, h, w), in float32, and what the reference network says of them (n,)."""
        y = self.setup.y
        own = [] if self.baseline is None else [self._logits(self.baseline, images)]
        baseline = (own[0].argmax(-1) == y).numpy() if own else np.zeros(0, dtype=bool)
        if not self.members:
            return Correctness(baseline, np.zeros((0, len(y)), dtype=bool), {}, {}), own[0].argmax(-1).numpy()
        members = [self._logits(member, images) for member in self.members]
        several = torch.stack(members)
        # Code may give its members more outputs than another network has.
        inside = self._rules(torch.stack([*members, *own])) if own and own[0].shape == members[0].shape else {}
        verdict = Correctness(baseline, (several.argmax(-1) == y).numpy(), self._rules(several), inside)
        return verdict, (own[0].argmax(-1) if own else RULES[REFERENCE_RULE](several)).numpy()

    def make(self, attack: Attack, made_on: str, eps: float, *, full: bool = False) -> AdversarialSet:
        """Attack all images at `eps` through the network so called, and judge the result."""
        images, queries, seconds = self.setup.x, 0.0, 0.0
        if eps > 0:
            images, queries, seconds = self._kept_or_made(attack, made_on, eps, full=full)
        right, predicted = self.judge(images)
        rounded, _ = self.judge((images * 255).round() / 255)
        kept = images if made_on == self.reference and not full else None
        reached = None if self.targets is None else predicted == self.targets.numpy()
        return AdversarialSet(eps, attack.name, made_on, kept, right, rounded, predicted, queries, seconds, reached)

    def norms(self, attack: MinimumNorm) -> NDArray[np.float64]:
        """The lengths of the smallest changes by which `attack` fools the reference network, (n,).

        Infinity where none does, 0 where none is needed.
        """
        setup = self.setup

        def find() -> PartialResult:
            started = time.perf_counter()
            model = Counted(self.network(self.reference))
            with setup.report.task(f"the nearest images by {attack.name}", len(setup.x)) as task:
                found = attack.nearest(
                    model, setup.x, setup.y, norm=setup.norm, targets=self.targets, seed=self._seed(attack), task=task
                )
            return PartialResult(found.norms, model.per_image(len(setup.x)).forward, time.perf_counter() - started)

        part = find() if self.parts is None else self.parts.load_or_make(f"nearest {attack.name}", repr(attack), find)
        return part.tensor.numpy()

    def _kept_or_made(self, attack: Attack, made_on: str, eps: float, *, full: bool) -> tuple[Tensor, float, float]:
        """Images, forward passes an image and seconds."""
        name = f"{attack.name} {eps!r} {made_on}" + (" full" if full else "")
        part = (
            self._made(attack, made_on, eps, full)
            if self.parts is None
            else self.parts.load_or_make(name, repr(attack), lambda: self._made(attack, made_on, eps, full))
        )
        return part.tensor, part.queries, part.seconds

    def _made(self, attack: Attack, made_on: str, eps: float, full: bool) -> PartialResult:
        started, setup = time.perf_counter(), self.setup
        model = Counted(self.network(made_on))
        label = f"{attack.name} at eps {eps:g}" + (f" through {made_on}" if made_on != BASELINE else "")
        with setup.report.task(label, len(setup.x)) as task:
            images = attack(
                model,
                setup.x,
                setup.y,
                eps=eps,
                norm=setup.norm,
                targets=self.targets,
                full=full,
                seed=self._seed(attack),
                task=task,
            )
        # In one layout, as a file has it: the layout decides how a network rounds.
        images = images.clone(memory_format=torch.contiguous_format)
        return PartialResult(images, model.per_image(len(setup.x)).forward, time.perf_counter() - started)

    def _seed(self, attack: Attack) -> int:
        return rng.derive(self.setup.config.seed, "attack", attack.name)

    def make_all(self, eps: float) -> list[AdversarialSet]:
        """All images made at one eps: through the baseline and, if there are members and the method looks, through these."""
        return [made for attack in self.setup.attacks for made in self._by(attack, eps)] + self._adaptive(eps)

    def _by(self, attack: Attack, eps: float) -> Iterator[AdversarialSet]:
        if self.baseline is not None:
            yield self.make(attack, BASELINE, eps)
        if not self.members:
            return
        if self.baseline is not None and not isinstance(attack, SingleStep):
            yield self.make(attack, BASELINE, eps, full=True)  # early successes transfer less
        if attack.knowledge != "nothing" or self.baseline is None:
            for rule in RULES if attack.knowledge != "nothing" else (self.reference,):
                yield self.make(attack, rule, eps)

    def _adaptive(self, eps: float) -> list[AdversarialSet]:
        if not self.members:
            return []
        looking = [attack for attack in self.setup.attacks if attack.knowledge == "gradients"]
        climbing = {one.name: one for one in map(self._climber, looking)}
        return [
            self.make(one, made_on, eps, full=True) for one in climbing.values() for made_on in (EVERY_MEMBER, SMOOTHED_MAX)
        ]

    def _climber(self, attack: Attack) -> Attack:
        config = self.setup.config
        if attack.name in _CLIMB_CROSS_ENTROPY:
            return attack
        return load_attack("pgd").with_options(steps=config.steps, restarts=config.restarts)

    def network(self, made_on: str) -> nn.Module:
        """The network so called: BASELINE, a rule, EVERY or SMOOTH."""
        if made_on == BASELINE and self.baseline is not None:
            return self.baseline
        if made_on in RULES:
            return RuleModel(self.members, made_on)
        return MeanLogProbability(self.members) if made_on == EVERY_MEMBER else SmoothMax(self.members)

    def _rules(self, logits: Tensor) -> dict[str, Bools]:
        found = {name: decide(logits) == self.setup.y for name, decide in RULES.items()}
        return {name: right.numpy() for name, right in (found | {"oracle": any_correct(logits, self.setup.y)}).items()}

    def _logits(self, model: nn.Module, images: Tensor) -> Tensor:
        return predict_logits(model, images, device=self.setup.device)


def worst(sets: Sequence[Correctness]) -> Correctness:
    """Who is right on every one of at least one set."""
    return reduce(lambda one, other: one & other, sets)


def to_channels_last(model: nn.Module, x: Tensor, device: torch.device) -> nn.Module:
    """`model` itself with its weights in channels_last, by which a CPU convolves in half the time, if it works on `x` so.

    A network that takes views of its layers fails in that layout, and keeps its own.
    """
    model.to(memory_format=torch.channels_last)
    try:
        predict_logits(model, x[:1], device=device)
    except DlcliError:
        model.to(memory_format=torch.contiguous_format)
    return model
