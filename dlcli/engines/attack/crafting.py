"""The adversarial images of `dlcli attack`: made on one network after another, and evaluated on all classifiers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack, SingleStep
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.attacks.query_count import QueryCounter
from dlcli.core.compute.forward import predict_logits
from dlcli.core.ensembles.combine import RULES, MeanLogProbability, RuleModel, SmoothMax, any_correct
from dlcli.core.training.trainable import in_layout
from dlcli.engines.attack.networks import BASELINE, REFERENCE_RULE
from dlcli.engines.attack.resume import PartialResult, PartialResults
from dlcli.engines.attack.set_parts import SetPart, joined, parts_of
from dlcli.engines.attack.setup import AttackSetup
from dlcli.engines.attack.targets import choose_targets
from dlcli.engines.attack.trained_networks import LoadedNetworks
from dlcli.support.errors import DlcliError
from dlcli.support.seeds import derive

EVERY_MEMBER, SMOOTHED_MAX = "every member", "smoothed max"
"""The networks that the adaptive attacker uses: the mean of the members' losses, and a smooth version of the max rule."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Correctness:
    """Whether each classifier is right on n images: baseline (n,), each member (members, n), each rule and the oracle (n,).

    `inside` has the rules and the oracle of the ensemble with the baseline as one more member. Without an ensemble, `members`,
    `rules` and `inside` are empty; without a baseline, `baseline` and `inside` are.
    """

    baseline: Bools
    members: Bools
    rules: Mapping[str, Bools]
    inside: Mapping[str, Bools]

    def of(self, network: str) -> Bools:
        """The values of BASELINE or of a rule, (n,)."""
        return self.baseline if network == BASELINE else self.rules[network]

    def __and__(self, other: "Correctness") -> "Correctness":
        """Whether each classifier is right on both of two sets of images."""
        return Correctness(
            self.baseline & other.baseline,
            self.members & other.members,
            {name: correct & other.rules[name] for name, correct in self.rules.items()},
            {name: correct & other.inside[name] for name, correct in self.inside.items()},
        )


class Evaluation(NamedTuple):
    """How all classifiers do on a set of images, and which classes the reference network predicts, (n,)."""

    correctness: Correctness
    predicted: NDArray[Any]


@dataclass(frozen=True)
class AdversarialSet:
    """The images that `method` made at `eps` on one network: BASELINE, a rule, EVERY_MEMBER or SMOOTHED_MAX.

    Attributes:
        eps: The largest perturbation.
        method: Name of the attack.
        made_on: The network whose outputs or gradients the attack used.
        images: The images (n, c, h, w), kept only if they were made on the reference network.
        correctness: Who is right on them.
        rounded: Who is right on them once they are rounded to 8 bits per value.
        predicted: The classes that the reference network predicts, (n,).
        queries: Forward passes per image.
        seconds: Time spent making the images.
        reached: Which images are classified as their target, (n,); None without targets.
    """

    eps: float
    method: str
    made_on: str
    images: Tensor | None
    correctness: Correctness
    rounded: Correctness
    predicted: NDArray[Any]
    queries: float
    seconds: float
    reached: Bools | None = None

    @property
    def attack_failed(self) -> Bools:
        """On which images the attack failed on the network they were made on, BASELINE or a rule: (n,)."""
        return self.correctness.of(self.made_on) if self.reached is None else ~self.reached


class WantedSet(NamedTuple):
    """A set of images to make: by which attack, on which network, and whether by all of its steps."""

    attack: Attack
    made_on: str
    full: bool = False


@dataclass(frozen=True)
class AttackRun:
    """The networks of one run, on which images are made and evaluated.

    `baseline` is None if an ensemble has none. `targets` (n,) are the classes to reach. `partial` stores the images made so
    far, for an interrupted run to continue from. `made` are those that other processes have made, by name.
    """

    setup: AttackSetup
    baseline: nn.Module | None
    members: Sequence[nn.Module]
    targets: Tensor | None = None
    partial: PartialResults | None = None
    made: dict[str, PartialResult] = field(default_factory=dict)

    @property
    def networks(self) -> list[nn.Module]:
        """The baseline, if there is one, and the members."""
        return [*([] if self.baseline is None else [self.baseline]), *self.members]

    @property
    def reference(self) -> str:
        """The network whose images are kept: BASELINE, or a rule where there is none."""
        return self.setup.networks.reference

    def evaluate(self, images: Tensor) -> Evaluation:
        """Who is right on `images` (n, c, h, w).

        Returns:
            The correctness of all classifiers, and the predictions of the reference network.
        """
        # Always in float32, even where an attack took its steps in bfloat16: an image that sits just across a decision boundary
        # may fall back when the logits are computed more precisely, and it must not count as fooled then.
        y = self.setup.y
        own = [] if self.baseline is None else [self._logits(self.baseline, images)]
        baseline = (own[0].argmax(-1) == y).numpy() if own else np.zeros(0, dtype=bool)
        if not self.members:
            alone = Correctness(baseline, np.zeros((0, len(y)), dtype=bool), {}, {})
            return Evaluation(alone, own[0].argmax(-1).numpy())
        members = [self._logits(member, images) for member in self.members]
        stacked = torch.stack(members)
        # Members given as code may have more outputs than the baseline; then it cannot join them.
        inside = self._rules(torch.stack([*members, *own])) if own and own[0].shape == members[0].shape else {}
        correctness = Correctness(baseline, (stacked.argmax(-1) == y).numpy(), self._rules(stacked), inside)
        return Evaluation(correctness, (own[0].argmax(-1) if own else RULES[REFERENCE_RULE](stacked)).numpy())

    def make(self, attack: Attack, made_on: str, eps: float, *, full: bool = False) -> AdversarialSet:
        """Attack all images and evaluate the result on all classifiers.

        Args:
            attack: The attack with its settings.
            made_on: The network to attack: BASELINE, a rule, EVERY_MEMBER or SMOOTHED_MAX.
            eps: The largest perturbation; at 0 the images stay as they are and no pass is spent.
            full: Take all steps instead of stopping at an image's first success.
        """
        made = PartialResult(self.setup.x, 0.0, 0.0)
        if eps > 0:
            wanted = WantedSet(attack, made_on, full)
            made = self._in_parts(name_of_set(wanted, eps), attack, partial(self.make_images, *wanted, eps))
        images = made.tensor
        correctness, predicted = self.evaluate(images)
        rounded = self.evaluate((images * 255).round() / 255).correctness
        kept = images if made_on == self.reference and not full else None
        reached = None if self.targets is None else predicted == self.targets.numpy()
        return AdversarialSet(
            eps, attack.name, made_on, kept, correctness, rounded, predicted, made.queries, made.seconds, reached
        )

    def minimum_norms(self, attack: MinimumNorm) -> NDArray[np.float64]:
        """The sizes of the smallest perturbations by which `attack` fools the reference network, (n,).

        Infinity where it fails, 0 where none is needed.
        """
        return self._in_parts(f"nearest {attack.name}", attack, partial(self.find_norms, attack)).tensor.numpy()

    def find_norms(self, attack: MinimumNorm, part: SetPart) -> PartialResult:
        """Find the sizes of the smallest perturbations of some images."""
        started, setup = time.perf_counter(), self.setup
        x, y, places, targets = self._problem(part)
        model = QueryCounter(self.network(self.reference))
        with setup.report.task(f"finding minimum norms by {attack.name}{part.name}, images", len(x)) as task:
            found = attack.nearest(
                model, x, y, norm=setup.norm, targets=targets, seed=self._seed(attack), first=places, task=task
            )
        return PartialResult(found.norms, model.per_image(len(x)).forward, time.perf_counter() - started)

    def parts(self, attack: Attack) -> list[SetPart]:
        """The parts in which a set of images is made by `attack`."""
        return parts_of(attack, self.setup.x, self.setup.device)

    def _in_parts(self, name: str, attack: Attack, make: Callable[[SetPart], PartialResult]) -> PartialResult:
        return joined([self.result(name + part.name, attack, partial(make, part)) for part in self.parts(attack)])

    def _problem(self, part: SetPart) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The images of a part, their labels, their places in the test set, and their targets, if there are any."""
        setup, some = self.setup, part.images
        return setup.x[some], setup.y[some], setup.places[some], None if self.targets is None else self.targets[some]

    def result(self, name: str, attack: Attack, make: Callable[[], PartialResult]) -> PartialResult:
        """The result called `name`: made by another process, stored by an interrupted run, or made now and stored.

        Args:
            name: What the result is.
            attack: The attack with its settings.
            make: Called if it is not there.
        """
        if (found := self.made.get(name)) is not None:
            return found
        return make() if self.partial is None else self.partial.load_or_make(name, repr(attack), make)

    def make_images(self, attack: Attack, made_on: str, full: bool, eps: float, part: SetPart) -> PartialResult:
        """Make a part of a set of images.

        Args:
            attack: The attack with its settings.
            made_on: The network to attack.
            full: Take all steps.
            eps: The largest perturbation, above 0.
            part: Which images.
        """
        started, setup = time.perf_counter(), self.setup
        x, y, places, targets = self._problem(part)
        model = QueryCounter(self.network(made_on))
        label = f"{attack.name} at eps {eps:g}" + (f" on {made_on}" if made_on != BASELINE else "")
        with setup.report.task(f"{label}{part.name}, images", len(x)) as task:
            images = attack(
                model,
                x,
                y,
                eps=eps,
                norm=setup.norm,
                targets=targets,
                full=full,
                seed=self._seed(attack),
                first=places,
                task=task,
            )
        # In the layout that a file would give them: convolutions round differently by layout, and a resumed run must not.
        images = images.clone(memory_format=torch.contiguous_format)
        return PartialResult(images, model.per_image(len(x)).forward, time.perf_counter() - started)

    def _seed(self, attack: Attack) -> int:
        return derive(self.setup.config.seed, "attack", attack.name)

    def make_all(self, eps: float) -> list[AdversarialSet]:
        """All images made at one eps: on the baseline and, with an ensemble, on every rule and on the adaptive networks."""
        return [self.make(one.attack, one.made_on, eps, full=one.full) for one in self.wanted]

    @property
    def wanted(self) -> list[WantedSet]:
        """The sets of images to make at each eps."""
        return [one for attack in self.setup.attacks for one in self._by(attack)] + self._adaptive()

    def _by(self, attack: Attack) -> Iterator[WantedSet]:
        if self.baseline is not None:
            yield WantedSet(attack, BASELINE)
        if not self.members:
            return
        if self.baseline is not None and not isinstance(attack, SingleStep):
            # An image that stopped at its first success is barely across the baseline's boundary and rarely fools another
            # network; the transfer rows take the worse of both sets.
            yield WantedSet(attack, BASELINE, full=True)
        if attack.knowledge != "nothing" or self.baseline is None:
            for rule in RULES if attack.knowledge != "nothing" else (self.reference,):
                yield WantedSet(attack, rule)

    def _adaptive(self) -> list[WantedSet]:
        if not self.members:
            return []
        white_box = [attack for attack in self.setup.attacks if attack.knowledge == "gradients"]
        attacks = {one.name: one for one in map(self._adaptive_attack, white_box)}
        networks = (EVERY_MEMBER, SMOOTHED_MAX)
        return [WantedSet(attack, network, full=True) for attack in attacks.values() for network in networks]

    def _adaptive_attack(self, attack: Attack) -> Attack:
        config = self.setup.config
        if attack.raises_cross_entropy:  # the only loss that EVERY_MEMBER averages; pgd stands in for all others
            return attack
        return load_attack("pgd").with_options(steps=config.steps, restarts=config.restarts)

    def network(self, name: str) -> nn.Module:
        """The network of a name that `made_on` may have: BASELINE, a rule, EVERY_MEMBER or SMOOTHED_MAX."""
        if name == BASELINE and self.baseline is not None:
            return self.baseline
        if name in RULES:
            return RuleModel(self.members, name)
        return MeanLogProbability(self.members) if name == EVERY_MEMBER else SmoothMax(self.members)

    def _rules(self, logits: Tensor) -> dict[str, Bools]:
        found = {name: decide(logits) == self.setup.y for name, decide in RULES.items()}
        return {name: correct.numpy() for name, correct in (found | {"oracle": any_correct(logits, self.setup.y)}).items()}

    def _logits(self, model: nn.Module, images: Tensor) -> Tensor:
        return predict_logits(model, images, device=self.setup.device)


def name_of_set(wanted: WantedSet, eps: float) -> str:
    """The name of a set, by which `resume` finds its file again: the wording must not change."""
    return f"{wanted.attack.name} {eps!r} {wanted.made_on}" + (" full" if wanted.full else "")


def correct_on_all(sets: Sequence[Correctness]) -> Correctness:
    """Whether each classifier is right on every one of at least one set: an image that any set fools counts as fooled."""
    return reduce(lambda one, other: one & other, sets)


def opened_run(setup: AttackSetup, loaded: LoadedNetworks) -> AttackRun:
    """A run of these networks, in the layout that is fast, with the targets."""
    baseline = None if loaded.baseline is None else to_channels_last(loaded.baseline, setup.x, setup.device)
    members = [to_channels_last(one, setup.x, setup.device) for one in loaded.members]
    targets = None if setup.config.target is None or baseline is None else _targets(setup, baseline)
    return AttackRun(setup, baseline, members, targets)


def _targets(setup: AttackSetup, model: nn.Module) -> Tensor:
    logits = predict_logits(model, setup.x, device=setup.device)
    return choose_targets(
        setup.config.target or "", setup.data, setup.y, setup.output_of, logits, setup.places, seed=setup.config.seed
    )


def to_channels_last(model: nn.Module, x: Tensor, device: torch.device) -> nn.Module:
    """`model` itself with its weights in channels_last, if it still works on `x` then.

    Convolutions on a CPU take half the time in that layout. A network that takes views of its activations fails in it and keeps
    its own.
    """
    in_layout(model, torch.channels_last)
    try:
        predict_logits(model, x[:1], device=device)
    except DlcliError:
        model.to(memory_format=torch.contiguous_format)
    return model
