"""Sanity checks on a robust accuracy: signs that an attack failed or that a network masks its gradients.

After Carlini et al. 2019 (On Evaluating Adversarial Robustness, arXiv 1902.06705, sections 3.1 and 5) and Athalye et al. 2018
(Obfuscated Gradients, arXiv 1802.00420, section 3.1).

Accuracy under attack is an upper bound on robustness, and a broken attack makes it too high. Each check compares two figures
whose order is known for an attack that works: an attack with more knowledge, more steps or a larger eps leaves at most as many
images. Both are measured on the same images, and a check fails only if McNemar's exact test, or with groups of images that of
exchanging both in whole groups, is significant at 0.05 divided by the number of such comparisons (Bonferroni), so that random
starts alone raise one in at most one run of twenty.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.comparison import p_of_pairs
from dlcli.core.grouped import difference_of, share_of
from dlcli.core.models.output_checks import OTHER_BATCH
from dlcli.specs.attack import Classifier, Finding
from dlcli.specs.estimates import Difference
from dlcli.specs.figures import points
from dlcli.support.plural import count

Bools = NDArray[np.bool_]
_LEVEL = 0.05

MAX_CHANGE = 0.01
"""The share of images that doubling the steps may fool in addition before the attack counts as not converged."""


MIN_IMAGES = 20
"""With fewer images, clean accuracy is not compared with chance: the interval is too wide to exclude it."""


class DoubledSteps(NamedTuple):
    """Which images are robust at one eps, (n,), with the steps that were asked for and with twice as many."""

    eps: float
    once: Bools
    twice: Bools


class RuleImages(NamedTuple):
    """Which images a rule gets right, (n,): of those made on the rule itself, and of those transferred from the baseline."""

    own: Bools
    transferred: Bools


@dataclass(frozen=True)
class CheckInputs:
    """What the checks compare, mostly for the reference network.

    An image is robust against an attack if the attack fails on it: it is classified correctly, or, with targets, not as its
    target.

    Attributes:
        classes: Number of classes.
        clean: Which clean images are classified correctly, (n,).
        robust: Which images are robust, (n,), by method and eps; fgsm and noise are included even if not asked for.
        methods: The methods that were asked for.
        iterative: Those of them that follow a gradient in many steps.
        gradient_free: Those of them that use no gradients.
        zero_gradients: How many correctly classified images have a gradient of exactly 0.
        at_max_eps: Which of a few images are robust against PGD at an eps where any image can become any other.
        doubled: The effect of twice the steps, at one eps.
        probabilities: Whether the network seems to return probabilities.
        nondeterministic: How many of a few images get other logits when the network is called again.
        sees_batch: Whether an image gets other logits in another batch.
        rules: For ensembles: which images each rule gets right, by rule and eps.
        group: The group of each image, (n,) from 0 on, if they come in groups.
    """

    classes: int
    clean: Bools
    robust: Mapping[str, Mapping[float, Bools]]
    methods: tuple[str, ...]
    iterative: tuple[str, ...] = ()
    gradient_free: tuple[str, ...] = ()
    zero_gradients: int = 0
    at_max_eps: Bools | None = None
    doubled: DoubledSteps | None = None
    probabilities: bool = False
    nondeterministic: int = 0
    sees_batch: bool = False
    rules: Mapping[Classifier, Mapping[float, RuleImages]] | None = None
    group: NDArray[np.int64] | None = None


def failed_checks(inputs: CheckInputs) -> tuple[Finding, ...]:
    """The checks that fail, in the order of `CHECKS`."""
    details = {name: check(inputs) for name, check in CHECKS.items()}
    return tuple(Finding(check=name, detail=detail) for name, detail in details.items() if detail)


def weaker_than_one_step(inputs: CheckInputs) -> str:
    """Many steps leave more images robust than the single step of FGSM."""
    return next(filter(None, (_weaker(inputs, (name,), ("fgsm",)) for name in inputs.iterative)), "")


def weaker_without_gradients(inputs: CheckInputs) -> str:
    """The gradient attacks together leave more images robust than a gradient-free one, or than noise."""
    white_box = tuple(name for name in inputs.methods if name not in inputs.gradient_free)
    return _weaker(inputs, white_box, tuple(dict.fromkeys(("noise", *inputs.gradient_free)))) if white_box else ""


def weaker_than_transfer(inputs: CheckInputs) -> str:
    """Images made on a rule fool it less often than images made on the baseline, which is outside the ensemble."""
    for rule, by_eps in (inputs.rules or {}).items():
        for eps, (own, transferred) in by_eps.items():
            if (gap := _more(inputs, own, transferred)) is not None:
                more = f"leaves {points(gap)} more accuracy than the attack on the baseline"
                return f"at eps {eps:g} the attack on the {rule} {more}"
    return ""


def not_monotone(inputs: CheckInputs) -> str:
    """A larger eps leaves more images robust."""
    for name in inputs.methods:
        ordered = sorted(inputs.robust[name].items())
        for (eps, robust), (larger, more) in zip(ordered, ordered[1:], strict=False):
            if (gap := _more(inputs, more, robust)) is not None:
                return f"{name} leaves {points(gap)} more accuracy at eps {larger:g} than at eps {eps:g}"
    return ""


def survives_any_change(inputs: CheckInputs) -> str:
    """Accuracy is above chance even where any image can become any other."""
    if inputs.at_max_eps is None or not len(inputs.at_max_eps):
        return ""
    left = share_of(inputs.at_max_eps, None if inputs.group is None else inputs.group[: len(inputs.at_max_eps)])
    detail = f"at an eps where any image can become any other, pgd leaves accuracy {left} on {count(left.n, 'image')}"
    return detail if left.low > 1 / inputs.classes else ""


def no_gradient(inputs: CheckInputs) -> str:
    """Images have a gradient of exactly 0, so that a gradient attack cannot move them."""
    if not inputs.zero_gradients:
        return ""
    total = len(inputs.clean)
    return (
        f"{inputs.zero_gradients} of {count(total, 'image')} have no gradient, so the attack failing on them is not robustness"
    )


def not_converged(inputs: CheckInputs) -> str:
    """Twice the steps fool at least one percent more of the images."""
    if inputs.doubled is None:
        return ""
    eps, once, twice = inputs.doubled
    change = float((once & ~twice).mean())
    detail = f"twice the steps fool {100 * change:.1f}% more of the images at eps {eps:g}; use more steps"
    return detail if change >= MAX_CHANGE else ""


def gives_probabilities(inputs: CheckInputs) -> str:
    """The network's last layer is a softmax, whose gradient vanishes where it saturates."""
    detail = "the network returns probabilities instead of logits, so gradients vanish; remove its softmax"
    return detail if inputs.probabilities else ""


def answers_differ(inputs: CheckInputs) -> str:
    """Two calls on the same images give different logits."""
    if not inputs.nondeterministic:
        return ""
    images = count(inputs.nondeterministic, "image")
    return f"a second call gives other logits for {images}; for a random network, figures from one draw are unreliable"


def others_matter(inputs: CheckInputs) -> str:
    """The logits of an image change with the others in its batch."""
    effect = "an image that fools the network in one batch may not in another"
    return f"the network gives an image {OTHER_BATCH}; {effect}" if inputs.sees_batch else ""


def at_chance(inputs: CheckInputs) -> str:
    """The network does not classify clean images better than chance."""
    clean = share_of(inputs.clean, inputs.group)
    chance = f"not above chance (1 in {inputs.classes})"
    detail = f"clean accuracy is {clean}, {chance}; is the network trained, and on images like these?"
    known = inputs.classes > 1 and clean.n >= MIN_IMAGES  # images of one class do not tell chance
    return detail if known and clean.low <= 1 / inputs.classes else ""


CHECKS: dict[str, Callable[[CheckInputs], str]] = {
    "clean accuracy at chance": at_chance,
    "probabilities for logits": gives_probabilities,
    "two calls differ": answers_differ,
    "two batches differ": others_matter,
    "zero gradients": no_gradient,
    "weaker than fgsm": weaker_than_one_step,
    "blind beats white-box": weaker_without_gradients,
    "transfer beats white-box": weaker_than_transfer,
    "not monotone in eps": not_monotone,
    "large eps leaves accuracy": survives_any_change,
    "not converged": not_converged,
}
"""The checks by their names in results."""


def comparisons(inputs: CheckInputs) -> int:
    """How many pairs of figures the checks compare."""
    eps = len(next(iter(inputs.robust.values()), {}))
    blind = len(dict.fromkeys(("noise", *inputs.gradient_free))) if set(inputs.methods) - set(inputs.gradient_free) else 0
    transfer = sum(len(by_eps) for by_eps in (inputs.rules or {}).values())
    return eps * (len(inputs.iterative) + blind) + (eps - 1) * len(inputs.methods) + transfer


def _more(inputs: CheckInputs, left: Bools, other: Bools) -> Difference | None:
    """How many more images are left than by the other figure, None unless that is beyond chance."""
    gap = difference_of(left, other, inputs.group)
    beyond = p_of_pairs(left, other, inputs.group) <= _LEVEL / max(comparisons(inputs), 1)
    return gap if gap.value > 0 and beyond else None


def _weaker(inputs: CheckInputs, methods: tuple[str, ...], references: tuple[str, ...]) -> str:
    """The first case in which `methods` together leave significantly more than a reference method at the same eps."""
    for reference in (name for name in references if name in inputs.robust):
        for eps, robust in sorted(inputs.robust[reference].items()):
            together = np.logical_and.reduce([inputs.robust[name][eps] for name in methods])
            if (gap := _more(inputs, together, robust)) is not None:
                return f"at eps {eps:g} {' and '.join(methods)} leaves {points(gap)} more accuracy than {reference}"
    return ""
