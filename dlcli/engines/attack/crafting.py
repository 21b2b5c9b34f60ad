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
from dlcli.engines.attack.networks import BASELINE, LEAD_RULE
from dlcli.engines.attack.resume import Part, Parts
from dlcli.engines.attack.setup import Bench
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
    three are empty, without a baseline it and `inside` are.
    """

    baseline: Bools
    members: Bools
    rules: Mapping[str, Bools]
    inside: Mapping[str, Bools]

    def of(self, network: str) -> Bools:
        """Who is right of BASELINE or a rule."""
        return self.baseline if network == BASELINE else self.rules[network]

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

    `rounded` is that after 8 bits; `predicted` (n,) is what the network in the lead says; `queries` are forward passes an
    image. The `images` (n, c, h, w) themselves are kept where they were made through the lead, else they are None. `reached`
    (n,) says which are taken for their target, None without targets.
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
    reached: Bools | None = None

    @property
    def stands(self) -> Bools:
        """On which images the attack failed on the network that they were made through, which is BASELINE or a rule."""
        return self.right.of(self.through) if self.reached is None else ~self.reached


@dataclass(frozen=True)
class Court:
    """The baseline, if there is one, and the members, who make the images and judge them.

    `targets` (n,) are the classes to reach. `parts` keeps what was made for a run that is interrupted.
    """

    bench: Bench
    baseline: nn.Module | None
    members: Sequence[nn.Module]
    targets: Tensor | None = None
    parts: Parts | None = None

    @property
    def lead(self) -> str:
        """The network whose images are kept: BASELINE, or a rule where there is none."""
        return self.bench.networks.lead

    def judge(self, images: Tensor) -> tuple[Verdict, NDArray[Any]]:
        """Who is right on `images` (n, c, h, w), in float32, and what the network in the lead says of them (n,)."""
        y = self.bench.y
        own = [] if self.baseline is None else [self._logits(self.baseline, images)]
        baseline = (own[0].argmax(-1) == y).numpy() if own else np.zeros(0, dtype=bool)
        if not self.members:
            return Verdict(baseline, np.zeros((0, len(y)), dtype=bool), {}, {}), own[0].argmax(-1).numpy()
        members = [self._logits(member, images) for member in self.members]
        several = torch.stack(members)
        # Code may give its members more outputs than another network has.
        inside = self._rules(torch.stack([*members, *own])) if own and own[0].shape == members[0].shape else {}
        verdict = Verdict(baseline, (several.argmax(-1) == y).numpy(), self._rules(several), inside)
        return verdict, (own[0].argmax(-1) if own else RULES[LEAD_RULE](several)).numpy()

    def make(self, attack: Attack, through: str, eps: float, *, full: bool = False) -> Made:
        """Attack all images at `eps` through the network so called, and judge the result."""
        images, queries, seconds = self.bench.x, 0.0, 0.0
        if eps > 0:
            images, queries, seconds = self._kept_or_made(attack, through, eps, full=full)
        right, predicted = self.judge(images)
        rounded, _ = self.judge((images * 255).round() / 255)
        kept = images if through == self.lead and not full else None
        reached = None if self.targets is None else predicted == self.targets.numpy()
        return Made(eps, attack.name, through, kept, right, rounded, predicted, queries, seconds, reached)

    def norms(self, attack: MinimumNorm) -> NDArray[np.float64]:
        """The lengths of the smallest changes by which `attack` fools the network in the lead, (n,).

        Infinity where none does, 0 where none is needed.
        """
        bench = self.bench

        def find() -> Part:
            started = time.perf_counter()
            model = Counted(self.network(self.lead))
            with bench.report.task(f"the nearest images by {attack.name}", len(bench.x)) as task:
                found = attack.nearest(
                    model, bench.x, bench.y, norm=bench.norm, targets=self.targets, seed=self._seed(attack), task=task
                )
            return Part(found.norms, model.per_image(len(bench.x)).forward, time.perf_counter() - started)

        part = find() if self.parts is None else self.parts.had(f"nearest {attack.name}", repr(attack), find)
        return part.tensor.numpy()

    def _kept_or_made(self, attack: Attack, through: str, eps: float, *, full: bool) -> tuple[Tensor, float, float]:
        """Images, forward passes an image and seconds."""
        name = f"{attack.name} {eps!r} {through}" + (" full" if full else "")
        part = (
            self._made(attack, through, eps, full)
            if self.parts is None
            else self.parts.had(name, repr(attack), lambda: self._made(attack, through, eps, full))
        )
        return part.tensor, part.queries, part.seconds

    def _made(self, attack: Attack, through: str, eps: float, full: bool) -> Part:
        started, bench = time.perf_counter(), self.bench
        model = Counted(self.network(through))
        label = f"{attack.name} at eps {eps:g}" + (f" through {through}" if through != BASELINE else "")
        with bench.report.task(label, len(bench.x)) as task:
            images = attack(
                model,
                bench.x,
                bench.y,
                eps=eps,
                norm=bench.norm,
                targets=self.targets,
                full=full,
                seed=self._seed(attack),
                task=task,
            )
        # In one layout, as a file has it: the layout decides how a network rounds.
        images = images.clone(memory_format=torch.contiguous_format)
        return Part(images, model.per_image(len(bench.x)).forward, time.perf_counter() - started)

    def _seed(self, attack: Attack) -> int:
        return rng.derive(self.bench.config.seed, "attack", attack.name)

    def all_of(self, eps: float) -> list[Made]:
        """All images made at one eps: through the baseline and, if there are members and the method looks, through these."""
        return [made for attack in self.bench.attacks for made in self._by(attack, eps)] + self._adaptive(eps)

    def _by(self, attack: Attack, eps: float) -> Iterator[Made]:
        if self.baseline is not None:
            yield self.make(attack, BASELINE, eps)
        if not self.members:
            return
        if self.baseline is not None and not isinstance(attack, SingleStep):
            yield self.make(attack, BASELINE, eps, full=True)  # early successes transfer less
        if attack.knowledge != "nothing" or self.baseline is None:
            for rule in RULES if attack.knowledge != "nothing" else (self.lead,):
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

    def network(self, through: str) -> nn.Module:
        """The network so called: BASELINE, a rule, EVERY or SMOOTH."""
        if through == BASELINE and self.baseline is not None:
            return self.baseline
        if through in RULES:
            return RuleModel(self.members, through)
        return MeanLogProbability(self.members) if through == EVERY else SmoothMax(self.members)

    def _rules(self, logits: Tensor) -> dict[str, Bools]:
        found = {name: decide(logits) == self.bench.y for name, decide in RULES.items()}
        return {name: right.numpy() for name, right in (found | {"oracle": any_correct(logits, self.bench.y)}).items()}

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
