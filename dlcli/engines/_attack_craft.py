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

from dlcli.core import rng
from dlcli.core.attacks import load_attack
from dlcli.core.attacks._queries import Counted
from dlcli.core.attacks.base import Attack, SingleStep
from dlcli.core.combine import RULES, EveryMember, RuleModel, SmoothMax, any_right
from dlcli.core.loop import predict_logits
from dlcli.engines._attack_bench import BASELINE, Bench
from dlcli.support.errors import DlcliError

EVERY, SMOOTH = "every member", "smoothed max"
"""What the adaptive attacker climbs."""

_CLIMB_CROSS_ENTROPY = ("fgsm", "bim", "pgd", "mifgsm", "apgd-ce")
"""The methods that climb the cross-entropy, which is what EVERY makes a mean of; for the others pgd does it."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Verdict:
    """Who is right on n images: the baseline (n,), each member (members, n), each rule (n,), the oracle (n,).

    `inside` are rules and oracle of the ensemble that has the baseline as one member more. Without an ensemble the last
    three are empty.
    """

    baseline: Bools
    members: Bools
    rules: Mapping[str, Bools]
    inside: Mapping[str, Bools]

    def __and__(self, other: "Verdict") -> "Verdict":
        """Who is right on both of two sets of images."""
        return Verdict(
            self.baseline & other.baseline,
            self.members & other.members,
            {name: right & other.rules[name] for name, right in self.rules.items()},
            {name: right & other.inside[name] for name, right in self.inside.items()},
        )


@dataclass(frozen=True)
class Made:
    """The verdict on images that `method` made at `eps` through a network: BASELINE, a rule, EVERY or SMOOTH.

    `rounded` is that after 8 bits; `predicted` (n,) is what the baseline says; `queries` are forward passes an image. The
    `images` (n, c, h, w) themselves are kept where they were made through the baseline, else they are None.
    """

    eps: float
    method: str
    through: str
    images: Tensor | None
    right: Verdict
    rounded: Verdict
    predicted: NDArray[Any]
    queries: float
    seconds: float


@dataclass(frozen=True)
class Court:
    """The baseline and the members, who make the images and judge them."""

    bench: Bench
    baseline: nn.Module
    members: Sequence[nn.Module]

    def judge(self, images: Tensor) -> tuple[Verdict, NDArray[Any]]:
        """Who is right on `images` (n, c, h, w), in float32, and what the baseline says of them (n,)."""
        y = self.bench.y
        own = self._logits(self.baseline, images)
        predicted = own.argmax(-1)
        if not self.members:
            return Verdict((predicted == y).numpy(), np.zeros((0, len(y)), dtype=bool), {}, {}), predicted.numpy()
        several = torch.stack([self._logits(member, images) for member in self.members])
        each = several.argmax(-1) == y
        verdict = Verdict((predicted == y).numpy(), each.numpy(), self._rules(several), self._rules(_with(several, own)))
        return verdict, predicted.numpy()

    def make(self, attack: Attack, through: str, eps: float, *, full: bool = False) -> Made:
        """Attack all images at `eps` through the network so called, and judge the result."""
        started, bench = time.perf_counter(), self.bench
        images, queries = bench.x, 0.0
        if eps > 0:
            model = Counted(self._network(through))
            seed = rng.derive(bench.config.seed, "attack", attack.name)
            label = f"{attack.name} at eps {eps:g}" + (f" through {through}" if through != BASELINE else "")
            with bench.report.task(label, len(bench.x)) as task:
                images = attack(model, bench.x, bench.y, eps=eps, norm=bench.norm, full=full, seed=seed, task=task)
            queries = model.per_image(len(bench.x)).forward
        made = time.perf_counter() - started
        right, predicted = self.judge(images)
        rounded, _ = self.judge((images * 255).round() / 255)
        kept = images if through == BASELINE and not full else None
        return Made(eps, attack.name, through, kept, right, rounded, predicted, queries, made)

    def all_of(self, eps: float) -> list[Made]:
        """All images made at one eps: through the baseline and, if there are members and the method looks, through these."""
        return [made for attack in self.bench.attacks for made in self._by(attack, eps)] + self._adaptive(eps)

    def _by(self, attack: Attack, eps: float) -> Iterator[Made]:
        yield self.make(attack, BASELINE, eps)
        if not self.members:
            return
        if not isinstance(attack, SingleStep):
            yield self.make(attack, BASELINE, eps, full=True)  # early successes transfer less
        if attack.knowledge != "nothing":
            for rule in RULES:
                yield self.make(attack, rule, eps)

    def _adaptive(self, eps: float) -> list[Made]:
        if not self.members:
            return []
        looking = [attack for attack in self.bench.attacks if attack.knowledge == "gradients"]
        climbing = {one.name: one for one in map(self._climber, looking)}
        return [self.make(one, through, eps, full=True) for one in climbing.values() for through in (EVERY, SMOOTH)]

    def _climber(self, attack: Attack) -> Attack:
        config = self.bench.config
        if attack.name in _CLIMB_CROSS_ENTROPY:
            return attack
        return load_attack("pgd").with_options(steps=config.steps, restarts=config.restarts)

    def _network(self, through: str) -> nn.Module:
        if through == BASELINE:
            return self.baseline
        if through in RULES:
            return RuleModel(self.members, through)
        return EveryMember(self.members) if through == EVERY else SmoothMax(self.members)

    def _rules(self, logits: Tensor) -> dict[str, Bools]:
        found = {name: decide(logits) == self.bench.y for name, decide in RULES.items()}
        return {name: right.numpy() for name, right in (found | {"oracle": any_right(logits, self.bench.y)}).items()}

    def _logits(self, model: nn.Module, images: Tensor) -> Tensor:
        return predict_logits(model, images, device=self.bench.device)


def worst(sets: Sequence[Verdict]) -> Verdict:
    """Who is right on every one of at least one set."""
    return reduce(lambda one, other: one & other, sets)


def laid_out(model: nn.Module, x: Tensor, device: torch.device) -> nn.Module:
    """`model` itself with its weights in channels_last, by which a CPU convolves in half the time, if it works on `x` so.

    A network that takes views of its layers fails in that layout, and keeps its own.
    """
    model.to(memory_format=torch.channels_last)
    try:
        predict_logits(model, x[:1], device=device)
    except DlcliError:
        model.to(memory_format=torch.contiguous_format)
    return model


def _with(members: Tensor, baseline: Tensor) -> Tensor:
    return torch.cat([members, baseline[None]])
