"""From verdicts to the rows of `dlcli attack`: every classifier against every attacker, at one eps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.ensembles.combine import RULES
from dlcli.core.stats import paired_difference, wilson
from dlcli.engines.attack.crafting import EVERY_MEMBER, SMOOTHED_MAX, AdversarialSet, Correctness, worst
from dlcli.engines.attack.networks import BASELINE
from dlcli.specs.attack import AttackRow, MethodRow
from dlcli.specs.estimates import Estimate

SMOOTH_RULES = ("mean", "mean-logit")
"""The rules through which a gradient reaches every member."""

ORACLE = "oracle"

Right = NDArray[np.float64]


def rule_name(rule: str) -> str:
    """How the classifier that decides by `rule` is called in the rows."""
    return rule if rule == ORACLE else f"{rule} rule"


_MEAN = rule_name("mean")


@dataclass(frozen=True)
class Attacker:
    """What an attacker may know: the `kind` under which rows are paired, and whose images count."""

    kind: str
    made_on: Callable[[str], tuple[str, ...]]
    """The networks that the images against one classifier are made through."""


_EVERYONE = (BASELINE, *RULES, EVERY_MEMBER, SMOOTHED_MAX)
_ATTACKERS = (
    Attacker("transfer", lambda classifier: (BASELINE,)),
    Attacker("transfer-inside", lambda classifier: (BASELINE,)),
    Attacker("white-box", lambda classifier: (classifier,)),
    Attacker("adaptive", lambda classifier: (EVERY_MEMBER, SMOOTHED_MAX)),
    Attacker("worst-case", lambda classifier: _EVERYONE),
)


def rows(clean: Correctness, sets: Sequence[AdversarialSet], knows: str) -> list[AttackRow]:
    """The rows at the one eps of `sets`, in the order of classifiers; `knows` is what the attacker of the baseline does."""
    kinds = ("control",) if knows == "control" else tuple(one.kind for one in _ATTACKERS)
    found: list[AttackRow] = [_baseline(clean, sets, knows)] if len(clean.baseline) else []
    if len(clean.members):
        found += [row for name in _classifiers(clean) for kind in kinds for row in _row(clean, sets, name, kind, knows)]
    return found


def right_under(clean: Correctness, sets: Sequence[AdversarialSet], classifier: str, threat: str) -> tuple[Right, Right, Right]:
    """How right a classifier of the rows is on each image: clean, attacked, and attacked and rounded; (n,) in [0, 1]."""
    if classifier == BASELINE:
        own = [made for made in sets if made.made_on == BASELINE]
        return _three(clean, own, lambda verdict: verdict.baseline)
    kind = "white-box" if threat in ("naive", "black-box") else threat
    judged = _against(sets, classifier, kind)
    return _three(clean, judged, _reader(classifier, kind, judged))


def by_method(sets: Sequence[AdversarialSet], norms: Mapping[str, Right]) -> list[MethodRow]:
    """What each method left of the reference network; the queries and seconds are those of making the images.

    `norms` are, by minimum-norm method, the lengths of the smallest changes, (n,): infinity where there is none, and 0 where
    none was needed.
    """
    return [_method(made, norms.get(made.method)) for made in sets if made.images is not None]


def _method(made: AdversarialSet, norms: Right | None) -> MethodRow:
    right = made.right.of(made.made_on)
    tried = None if norms is None else norms[norms > 0]
    return MethodRow(
        eps=made.eps,
        method=made.method,
        adversarial=wilson(float(right.sum()), len(right)),
        queries=made.queries,
        seconds=made.seconds,
        reached=_share([made]),
        norm_quartiles=None if tried is None else _quartiles(tried[np.isfinite(tried)]),
        failed_images=None if tried is None else int(np.isinf(tried).sum()),
    )


def _quartiles(norms: Right) -> tuple[float, float, float] | None:
    if not len(norms):
        return None
    first, median, third = np.quantile(norms, (0.25, 0.5, 0.75)).tolist()
    return first, median, third


def _share(judged: Sequence[AdversarialSet]) -> Estimate | None:
    """How many images are taken for their target by at least one of these, None without targets."""
    reached = [made.reached for made in judged if made.reached is not None]
    if not reached:
        return None
    found = np.logical_or.reduce(reached)
    return wilson(float(found.sum()), len(found))


def _classifiers(clean: Correctness) -> list[str]:
    return ["best member", "mean of members", *map(rule_name, clean.rules)]


def _baseline(clean: Correctness, sets: Sequence[AdversarialSet], knows: str) -> AttackRow:
    before, after, rounded = right_under(clean, sets, BASELINE, knows)
    against = _mean_rule(clean, sets, "control" if knows == "control" else "white-box") if len(clean.members) else None
    return _figures(sets, BASELINE, knows, (before, after, rounded), against)


def _row(clean: Correctness, sets: Sequence[AdversarialSet], name: str, kind: str, knows: str) -> list[AttackRow]:
    """The row of one classifier against one attacker, or none where there is no such attacker."""
    rule = _rule(name)
    if (kind == "white-box" and rule not in RULES) or (kind == "transfer-inside" and not (rule and clean.inside)):
        return []
    if not _against(sets, name, kind):
        return []
    threat = kind
    if kind == "white-box":
        threat = "naive" if knows == "white-box" and rule not in SMOOTH_RULES else knows
    mean = None if name == _MEAN else _mean_rule(clean, sets, kind)
    return [_figures(sets, name, threat, right_under(clean, sets, name, kind), mean)]


def _mean_rule(clean: Correctness, sets: Sequence[AdversarialSet], kind: str) -> Right:
    return right_under(clean, sets, _MEAN, kind)[1]


def _figures(
    sets: Sequence[AdversarialSet], name: str, threat: str, found: tuple[Right, Right, Right], mean: Right | None
) -> AttackRow:
    before, after, rounded = found
    return AttackRow(
        eps=sets[0].eps,
        classifier=name,
        threat=threat,
        clean=wilson(float(before.sum()), len(before)),
        adversarial=wilson(float(after.sum()), len(after)),
        eight_bit=wilson(float(rounded.sum()), len(rounded)),
        minus_mean=None if mean is None else paired_difference(after, mean),
        reached=_share([made for made in sets if made.made_on == name]),
        upper_bound=threat.startswith("transfer"),
    )


def _against(sets: Sequence[AdversarialSet], classifier: str, kind: str) -> list[AdversarialSet]:
    """The sets that count: of those made through the networks of this attacker."""
    if kind == "control":
        return list(sets)
    made_on = next(one for one in _ATTACKERS if one.kind == kind).made_on(_rule(classifier))
    return [made for made in sets if made.made_on in made_on]


def _rule(classifier: str) -> str:
    """The rule (or the oracle) by which a classifier of the rows decides; "" for those that are no rule."""
    return classifier.removesuffix(" rule") if classifier.endswith(" rule") or classifier == ORACLE else ""


Read = Callable[[Correctness], NDArray[np.generic]]


def _three(clean: Correctness, judged: Sequence[AdversarialSet], read: Read) -> tuple[Right, Right, Right]:
    verdicts = (clean, worst([made.right for made in judged]), worst([made.rounded for made in judged]))
    before, after, rounded = (read(verdict).astype(np.float64) for verdict in verdicts)
    return before, after, rounded


def _reader(classifier: str, kind: str, judged: Sequence[AdversarialSet]) -> Read:
    """What a verdict says of one classifier."""
    if classifier == "mean of members":
        return lambda verdict: verdict.members.mean(0)
    if classifier == "best member":
        best = int(worst([made.right for made in judged]).members.sum(1).argmax())
        return lambda verdict: verdict.members[best]
    rule = _rule(classifier)

    def read(verdict: Correctness) -> NDArray[np.generic]:
        found: Mapping[str, NDArray[np.bool_]] = verdict.inside if kind == "transfer-inside" else verdict.rules
        return found[rule]

    return read
