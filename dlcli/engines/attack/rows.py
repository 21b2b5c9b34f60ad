"""The rows of a result of `dlcli attack`: the accuracy of every classifier against every attacker, at one eps."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.ensembles.combine import RULES
from dlcli.engines.attack.crafting import EVERY_MEMBER, SMOOTHED_MAX, AdversarialSet, Correctness, correct_on_all
from dlcli.engines.attack.intervals import FIXED, Intervals, Share
from dlcli.engines.attack.networks import BASELINE
from dlcli.specs.attack import AttackRow, Classifier, MethodRow, ThreatKind
from dlcli.specs.estimates import Estimate, PointEstimate

SMOOTH_RULES = ("mean", "mean-logit")
"""The rules through which a gradient reaches every member."""

ORACLE = "oracle"
"""The key of `Correctness.rules` that is not a rule: whether any member is right."""


class PerImage(NamedTuple):
    """How right a classifier is on each image, (n,) in [0, 1]: 0 or 1, or the share of members for the mean of members."""

    clean: Share
    adversarial: Share
    eight_bit: Share
    """The same as `adversarial`, after the images were rounded to 8 bits per value."""


# The attackers of an ensemble, in the order of its rows.
_ENSEMBLE_THREATS = (
    ThreatKind.TRANSFER,
    ThreatKind.TRANSFER_INSIDE,
    ThreatKind.WHITE_BOX,
    ThreatKind.ADAPTIVE,
    ThreatKind.WORST_CASE,
)


def rows(
    clean: Correctness, sets: Sequence[AdversarialSet], baseline_threat: ThreatKind, intervals: Intervals = FIXED
) -> list[AttackRow]:
    """The rows at the one eps of `sets`, in the order of classifiers.

    Args:
        clean: Who is right on the clean images.
        sets: All adversarial images made at this eps.
        baseline_threat: What the best informed method uses of the network under attack.
        intervals: How intervals are made.
    """
    threats = (ThreatKind.CONTROL,) if baseline_threat is ThreatKind.CONTROL else _ENSEMBLE_THREATS
    found: list[AttackRow] = [_baseline(clean, sets, baseline_threat, intervals)] if len(clean.baseline) else []
    if len(clean.members):
        found += [
            row
            for classifier in _classifiers(clean)
            for threat in threats
            for row in _row(clean, sets, classifier, threat, baseline_threat, intervals)
        ]
    return found


def per_image(clean: Correctness, sets: Sequence[AdversarialSet], classifier: Classifier, threat: ThreatKind) -> PerImage:
    """How right a classifier is on each image under a threat.

    Args:
        clean: Who is right on the clean images.
        sets: All adversarial images made at one eps.
        classifier: The classifier of a row.
        threat: The threat of that row.

    Returns:
        One value per image for clean, adversarial and rounded images.
    """
    if classifier is Classifier.BASELINE:
        own = [one for one in sets if one.made_on == BASELINE]
        return _read_all(clean, own, lambda correctness: correctness.baseline)
    counted = _counted(sets, classifier, threat)
    return _read_all(clean, counted, _reader(classifier, threat, counted))


def by_method(sets: Sequence[AdversarialSet], norms: Mapping[str, Share], intervals: Intervals = FIXED) -> list[MethodRow]:
    """The accuracy that each method left the reference network, with the cost of making the images.

    Args:
        sets: All adversarial images made at one eps.
        norms: By minimum-norm method, the sizes of the smallest perturbations, (n,): infinity where none was found, and 0 where
            none was needed.
        intervals: How intervals are made.
    """
    return [_method(one, norms.get(one.method), intervals) for one in sets if one.images is not None]


def _method(made: AdversarialSet, norms: Share | None, intervals: Intervals) -> MethodRow:
    correct = made.correctness.of(made.made_on).astype(np.float64)
    tried = None if norms is None else norms[norms > 0]
    return MethodRow(
        eps=made.eps,
        method=made.method,
        adversarial=intervals.share(correct),
        queries=made.queries,
        seconds=made.seconds,
        reached=_share_reached([made], intervals),
        norm_quartiles=None if tried is None else _quartiles(tried[np.isfinite(tried)], intervals),
        failed_images=None if tried is None else int(np.isinf(tried).sum()),
    )


def _quartiles(norms: Share, intervals: Intervals) -> tuple[Estimate | PointEstimate, ...] | None:
    return tuple(intervals.quantile(norms, share) for share in (0.25, 0.5, 0.75)) if len(norms) else None


def _share_reached(sets: Sequence[AdversarialSet], intervals: Intervals) -> Estimate | None:
    """The share of images that at least one set turned into their target class, None without targets."""
    reached = [one.reached for one in sets if one.reached is not None]
    if not reached:
        return None
    return intervals.share(np.logical_or.reduce(reached).astype(np.float64))


def _classifiers(clean: Correctness) -> list[Classifier]:
    ensembles = [Classifier.ORACLE if rule == ORACLE else Classifier.of_rule(rule) for rule in clean.rules]
    return [Classifier.BEST_MEMBER, Classifier.MEAN_OF_MEMBERS, *ensembles]


def _baseline(clean: Correctness, sets: Sequence[AdversarialSet], threat: ThreatKind, intervals: Intervals) -> AttackRow:
    compared = None
    if len(clean.members):
        # Each is attacked through its own gradients (or by the same control), so that the difference is between equals.
        against = ThreatKind.CONTROL if threat is ThreatKind.CONTROL else ThreatKind.WHITE_BOX
        compared = per_image(clean, sets, Classifier.MEAN, against).adversarial
    return _estimates(
        sets, Classifier.BASELINE, threat, per_image(clean, sets, Classifier.BASELINE, threat), compared, intervals
    )


def _row(
    clean: Correctness,
    sets: Sequence[AdversarialSet],
    classifier: Classifier,
    threat: ThreatKind,
    baseline_threat: ThreatKind,
    intervals: Intervals,
) -> list[AttackRow]:
    """The row of one classifier against one attacker, or none where there is no such attacker."""
    if threat is ThreatKind.WHITE_BOX and not classifier.rule:
        return []
    # The best member and the mean of members are single networks, which a baseline inside the ensemble does not change.
    if threat is ThreatKind.TRANSFER_INSIDE and not (_key(classifier) and clean.inside):
        return []
    if not _counted(sets, classifier, threat):
        return []
    compared = None if classifier is Classifier.MEAN else per_image(clean, sets, Classifier.MEAN, threat).adversarial
    shown = _shown(threat, classifier, baseline_threat)
    return [_estimates(sets, classifier, shown, per_image(clean, sets, classifier, threat), compared, intervals)]


def _shown(threat: ThreatKind, classifier: Classifier, baseline_threat: ThreatKind) -> ThreatKind:
    """The threat that a row shows: attacks through a rule use its gradient, a naive one, or its outputs only."""
    if threat is not ThreatKind.WHITE_BOX:
        return threat
    if baseline_threat is ThreatKind.WHITE_BOX and classifier.rule not in SMOOTH_RULES:
        return ThreatKind.NAIVE
    return baseline_threat


def _estimates(
    sets: Sequence[AdversarialSet],
    classifier: Classifier,
    threat: ThreatKind,
    images: PerImage,
    compared: Share | None,
    intervals: Intervals,
) -> AttackRow:
    return AttackRow(
        eps=sets[0].eps,
        classifier=classifier,
        threat=threat,
        clean=intervals.share(images.clean),
        adversarial=intervals.share(images.adversarial),
        eight_bit=intervals.share(images.eight_bit),
        minus_mean=None if compared is None else intervals.difference(images.adversarial, compared),
        reached=_share_reached([one for one in sets if one.made_on == classifier], intervals),
        upper_bound=threat in (ThreatKind.TRANSFER, ThreatKind.TRANSFER_INSIDE),
    )


def _counted(sets: Sequence[AdversarialSet], classifier: Classifier, threat: ThreatKind) -> list[AdversarialSet]:
    """The sets of images that this attacker can show to this classifier."""
    if threat is ThreatKind.CONTROL:
        return list(sets)
    networks = _networks_of(threat, _key(classifier))
    return [one for one in sets if one.made_on in networks]


def _networks_of(threat: ThreatKind, rule: str) -> tuple[str, ...]:
    """The networks on which an attacker makes images against the classifier that decides by `rule`."""
    if threat in (ThreatKind.TRANSFER, ThreatKind.TRANSFER_INSIDE):
        return (BASELINE,)
    if threat is ThreatKind.ADAPTIVE:
        return (EVERY_MEMBER, SMOOTHED_MAX)
    if threat is ThreatKind.WORST_CASE:
        return (BASELINE, *RULES, EVERY_MEMBER, SMOOTHED_MAX)
    return (rule,)


def _key(classifier: Classifier) -> str:
    """The key of a classifier in `Correctness.rules`, "" if it is none."""
    return ORACLE if classifier is Classifier.ORACLE else classifier.rule


Read = Callable[[Correctness], NDArray[np.generic]]


def _read_all(clean: Correctness, sets: Sequence[AdversarialSet], read: Read) -> PerImage:
    adversarial = correct_on_all([one.correctness for one in sets])
    rounded = correct_on_all([one.rounded for one in sets])
    return PerImage(*(read(one).astype(np.float64) for one in (clean, adversarial, rounded)))


def _reader(classifier: Classifier, threat: ThreatKind, sets: Sequence[AdversarialSet]) -> Read:
    """How to read one classifier's values off a `Correctness`."""
    if classifier is Classifier.MEAN_OF_MEMBERS:
        return lambda correctness: correctness.members.mean(0)
    if classifier is Classifier.BEST_MEMBER:
        best = int(correct_on_all([one.correctness for one in sets]).members.sum(1).argmax())
        return lambda correctness: correctness.members[best]
    key = _key(classifier)

    def read(correctness: Correctness) -> NDArray[np.generic]:
        found: Mapping[str, NDArray[np.bool_]] = (
            correctness.inside if threat is ThreatKind.TRANSFER_INSIDE else correctness.rules
        )
        return found[key]

    return read
