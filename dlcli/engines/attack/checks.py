"""Signs that a robust accuracy is not what it seems: an attack that failed, or a network that hides its gradients.

After Carlini et al. 2019 (On Evaluating Adversarial Robustness, arXiv 1902.06705, section 3.1 and 5) and Athalye et al. 2018
(Obfuscated Gradients, arXiv 1802.00420, section 3.1).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlcli.core.stats import paired_difference, wilson
from dlcli.specs.attack import Finding
from dlcli.support.plural import count

Bools = NDArray[np.bool_]

MOST_CHANGE = 0.01
"""The largest share of images that twice the steps may still fool."""


FEW = 20
"""Below as many images nothing is said of chance, which a handful cannot exclude."""


@dataclass(frozen=True)
class CheckInputs:
    """What the checks look at, of the reference network: which images stand under an attack, (n,) each.

    An image stands that is right, or with targets one that is not taken for its target; `clean` is who was right.

    `by_method` is that by method and eps, with `fgsm` and `noise` run beside the methods asked for; `looks` are the methods
    that climb a gradient in many steps, `blind` those asked for that know no
    gradients. `zero_gradients` of the right images have a
    gradient of 0. `huge` is who was right under PGD at an eps at which any image can become any other. `doubled` are, at one
    eps, who was right after the steps asked for and after twice as many. `unsteady` images got other logits at a second
    call. `through_rules` is, by rule and eps, who was right on images made through the rule, and on transferred ones.
    """

    classes: int
    clean: Bools
    by_method: Mapping[str, Mapping[float, Bools]]
    asked: tuple[str, ...]
    looks: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    zero_gradients: int = 0
    huge: Bools | None = None
    doubled: tuple[float, Bools, Bools] | None = None
    probabilities: bool = False
    unsteady: int = 0
    through_rules: Mapping[str, Mapping[float, tuple[Bools, Bools]]] | None = None


def findings(seen: CheckInputs) -> tuple[Finding, ...]:
    """Every check that fails, by name."""
    said = {name: check(seen) for name, check in CHECKS.items()}
    return tuple(Finding(check=name, seen=text) for name, text in said.items() if text)


def weaker_than_one_step(seen: CheckInputs) -> str:
    """Many steps leave more than the one step of FGSM."""
    return next(filter(None, (_beaten(seen, (name,), ("fgsm",)) for name in seen.looks)), "")


def weaker_without_gradients(seen: CheckInputs) -> str:
    """The attacks that know the weights leave together more than one that does not, or than noise."""
    looking = tuple(name for name in seen.asked if name not in seen.blind)
    return _beaten(seen, looking, tuple(dict.fromkeys(("noise", *seen.blind)))) if looking else ""


def weaker_than_transfer(seen: CheckInputs) -> str:
    """Images made through a rule fool it less than images made on a network outside."""
    for rule, by_eps in (seen.through_rules or {}).items():
        for eps, (own, transferred) in by_eps.items():
            gap = paired_difference(own, transferred)
            if gap.low > 0:
                return f"at eps {eps:g} the attack through the {rule} leaves {gap} more than the one on the baseline"
    return ""


def not_monotone(seen: CheckInputs) -> str:
    """A larger eps leaves more."""
    for name in seen.asked:
        ordered = sorted(seen.by_method[name].items())
        for (eps, right), (larger, more) in zip(ordered, ordered[1:], strict=False):
            gap = paired_difference(more, right)
            if gap.low > 0:
                return f"{name} leaves {gap} more at eps {larger:g} than at eps {eps:g}"
    return ""


def survives_any_change(seen: CheckInputs) -> str:
    """Even where any image can become any other, accuracy is above chance."""
    if seen.huge is None or not len(seen.huge):
        return ""
    left = wilson(float(seen.huge.sum()), len(seen.huge))
    what = "where any image can become any other, pgd leaves"
    return f"{what} {left} of {count(left.n, 'image')}" if left.low > 1 / seen.classes else ""


def no_gradient(seen: CheckInputs) -> str:
    """Images stay because the network gives no direction."""
    if not seen.zero_gradients:
        return ""
    return f"{seen.zero_gradients} of {len(seen.clean)} images have no gradient; that is no robustness"


def not_converged(seen: CheckInputs) -> str:
    """Twice the steps fool a point or more of the images besides."""
    if seen.doubled is None:
        return ""
    eps, once, twice = seen.doubled
    change = float((once & ~twice).mean())
    text = f"twice the steps fool {100 * change:.1f}% of the images more at eps {eps:g}; give more --steps"
    return text if change >= MOST_CHANGE else ""


def gives_probabilities(seen: CheckInputs) -> str:
    """The network's last layer is a softmax, whose gradient vanishes."""
    text = "the network gives probabilities where logits are wanted, whose gradient vanishes; leave its softmax out"
    return text if seen.probabilities else ""


def answers_differ(seen: CheckInputs) -> str:
    """Two calls on the same images give other logits."""
    if not seen.unsteady:
        return ""
    return f"a second call gives other logits for {count(seen.unsteady, 'image')}: one draw of a random network says little"


def at_chance(seen: CheckInputs) -> str:
    """The network knows nothing even of clean images."""
    clean = wilson(float(seen.clean.sum()), len(seen.clean))
    text = f"clean accuracy is {clean}, not above chance (1 in {seen.classes}): is the network trained, and on such images?"
    return text if clean.n >= FEW and clean.low <= 1 / seen.classes else ""


CHECKS: dict[str, Callable[[CheckInputs], str]] = {
    "clean accuracy at chance": at_chance,
    "probabilities for logits": gives_probabilities,
    "two calls differ": answers_differ,
    "zero gradients": no_gradient,
    "weaker than fgsm": weaker_than_one_step,
    "blind beats white-box": weaker_without_gradients,
    "transfer beats white-box": weaker_than_transfer,
    "not monotone in eps": not_monotone,
    "large eps leaves accuracy": survives_any_change,
    "not converged": not_converged,
}
"""The checks by the names that results give them."""


def _beaten(seen: CheckInputs, methods: tuple[str, ...], by: tuple[str, ...]) -> str:
    """The first case in which methods are established to leave together more than another one at the same eps."""
    for other in (name for name in by if name in seen.by_method):
        for eps, left in sorted(seen.by_method[other].items()):
            together = np.logical_and.reduce([seen.by_method[name][eps] for name in methods])
            gap = paired_difference(together, left)
            if gap.low > 0:
                return f"at eps {eps:g} {' and '.join(methods)} leaves {gap} more than {other}"
    return ""
