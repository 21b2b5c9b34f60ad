"""Attacks part after part of the images in random order, until the gate is decided or the time is over."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dlcli.core.attacks.methods.transfer import Transfer
from dlcli.engines.anytime import Watch, describe_stop, part_size, random_order, settled
from dlcli.engines.attack.check_runs import ReferenceChecks, robust_by_eps, stepped_attack
from dlcli.engines.attack.checks import DoubledSteps
from dlcli.engines.attack.convergence import Convergence
from dlcli.engines.attack.crafting import AdversarialSet, AttackRun, Correctness, Evaluation
from dlcli.engines.attack.intervals import Intervals
from dlcli.engines.attack.rows import PerImage
from dlcli.specs.anytime import Stopped
from dlcli.specs.gate import gate

Sets = list[AdversarialSet]
Headline = Callable[[Correctness, Sets], PerImage]
"""How right the classifier of the headline is on each image of a part, at the largest eps."""
CLEAN = "clean"
_CHECKS_SAW = "The sanity checks saw only these {:,} images."


@dataclass(frozen=True)
class Attacked:
    """What was attacked until the run stopped: the run of these images alone, their evaluation, and the sets of each eps.

    Attributes:
        doubled: The effect of twice the steps on them, None if it was not measured on the way.
    """

    attack_run: AttackRun
    clean: Evaluation
    by_eps: dict[float, Sets]
    stopped: Stopped | None = None
    doubled: DoubledSteps | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the run stopped, and what intervals are by; nothing of a run of all images that are independent."""
        others = "classes and means over networks" if len(self.clean.correctness.members) else "classes"
        setup, stopped = self.attack_run.setup, self.stopped
        saw = () if stopped is None or not stopped.early else (_CHECKS_SAW.format(stopped.seen),)
        found = () if stopped is None else (describe_stop(stopped, "image", others), *saw)
        if setup.groups is None or (stopped is not None and stopped.early):
            return found
        return (*found, *setup.groups.notes(setup.data))

    @property
    def intervals(self) -> Intervals:
        """How intervals are made: those of a run that stopped hold at any moment."""
        stopped, group = self.stopped, self.attack_run.setup.group
        return Intervals(stopped.total if stopped is not None and stopped.early else None, group)


def attack_all(attack_run: AttackRun) -> Attacked:
    """Attack all images, at one eps after the other."""
    clean = attack_run.evaluate(attack_run.setup.x)
    return Attacked(attack_run, clean, {eps: attack_run.make_all(eps) for eps in attack_run.setup.eps})


def attack_until_sure(attack_run: AttackRun, headline: Headline) -> Attacked:
    """Attack images in random order until the run may stop.

    Each image is attacked as in a whole run, since its random numbers come from its place.

    Args:
        attack_run: The networks and all images.
        headline: Reads off what the gate is about.

    Returns:
        The images that were attacked, in the order of the data.
    """
    setup, config = attack_run.setup, attack_run.setup.config
    wanted = gate(config.fail_under)
    metric = CLEAN if wanted is not None and wanted.metric == CLEAN else "robust"
    convergence = _convergence(attack_run) if metric != CLEAN else None
    sure = None if convergence is None else convergence.decided
    by_group = setup.group is not None
    watch = Watch(len(setup.x), f"{metric} accuracy", wanted, config.stop_when_sure, config.time_limit, by_group, sure)
    order, done, taken, shares = random_order(len(setup.x), config.seed), [], [], []
    for part in parts_until_sure(watch, convergence):
        taken.append(np.sort(order[part]))
        one = attack_all(_only(attack_run, taken[-1]))
        done.append(one)
        right = headline(one.clean.correctness, one.by_eps[max(setup.eps)])
        if convergence is not None:
            convergence.add(taken[-1], robust_by_eps(sum(one.by_eps.values(), []), config.methods))
        shares.append(right.clean if metric == CLEAN else right.adversarial)
        watch.add(shares[-1] == 1)
    picked = np.concatenate(taken)
    back = np.argsort(picked)
    by_eps = {eps: [_joined(sets, back) for sets in zip(*(one.by_eps[eps] for one in done), strict=True)] for eps in setup.eps}
    clean = Evaluation(
        _of([one.clean.correctness for one in done], back), np.concatenate([one.clean.predicted for one in done])[back]
    )
    seen = _only(attack_run, picked[back])
    figure = Intervals(group=seen.setup.group).share(np.concatenate(shares)[back])
    stopped = settled(watch.stopped(), fails=wanted is not None and wanted.fails(figure))
    return Attacked(seen, clean, by_eps, stopped, None if convergence is None else convergence.measured(back))


def parts_until_sure(watch: Watch, convergence: Convergence | None) -> Iterator[slice]:
    """The parts of the images until the run may stop.

    Once only convergence is waited for, the images up to where it can be decided are one part: many at once use a processor
    well. With a limit of time parts stay small, since a run can only end between them.

    Args:
        watch: Counts the images of each part before the next one.
        convergence: Gets them too; None if it does not count.

    Yields:
        The places in the random order.
    """
    size, begin = part_size(watch.total), 0
    while not (begin and watch.over):
        at_once = 0 if convergence is None or watch.limit is not None else convergence.next_look
        end = at_once if at_once > begin else min(begin + size, watch.total)
        yield slice(begin, end)
        begin = end


def _convergence(attack_run: AttackRun) -> Convergence | None:
    """Whether the attack has converged, which makes a gate that passes count; None if it takes no steps."""
    attack = stepped_attack(attack_run.setup)

    def checks_of(picked: np.ndarray) -> ReferenceChecks:
        some = _only(attack_run, picked)
        return ReferenceChecks(some.setup, some.network(some.reference), some.targets)

    return None if attack is None else Convergence(attack, len(attack_run.setup.x), checks_of)


def _only(attack_run: AttackRun, picked: np.ndarray) -> AttackRun:
    """The run of the images at the indices `picked`."""
    setup, index = attack_run.setup, torch.from_numpy(picked)
    attacks = tuple(one.rows(index) if isinstance(one, Transfer) else one for one in setup.attacks)
    groups = None if setup.groups is None else setup.groups.rows(picked)
    some = replace(setup, attacks=attacks, x=setup.x[index], y=setup.y[index], places=setup.places[index], groups=groups)
    return replace(attack_run, setup=some, targets=None if attack_run.targets is None else attack_run.targets[index])


def _joined(sets: Sequence[AdversarialSet], back: np.ndarray) -> AdversarialSet:
    """The sets of all parts as one, its images in the order `back`."""
    images = [one.images for one in sets if one.images is not None]
    reached = [one.reached for one in sets if one.reached is not None]
    sizes = np.array([len(one.predicted) for one in sets])
    return replace(
        sets[0],
        images=torch.cat(images)[torch.from_numpy(back)] if images else None,
        correctness=_of([one.correctness for one in sets], back),
        rounded=_of([one.rounded for one in sets], back),
        predicted=np.concatenate([one.predicted for one in sets])[back],
        queries=float(np.average([one.queries for one in sets], weights=sizes)),
        seconds=sum(one.seconds for one in sets),
        reached=np.concatenate(reached)[back] if reached else None,
    )


def _of(parts_of: Sequence[Correctness], back: np.ndarray) -> Correctness:
    first = parts_of[0]
    return Correctness(
        np.concatenate([one.baseline for one in parts_of])[back] if len(first.baseline) else first.baseline,
        np.concatenate([one.members for one in parts_of], axis=1)[:, back],
        {name: np.concatenate([one.rules[name] for one in parts_of])[back] for name in first.rules},
        {name: np.concatenate([one.inside[name] for one in parts_of])[back] for name in first.inside},
    )
