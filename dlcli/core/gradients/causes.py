"""Why a network may not train, by what its gradients and activations look like, and what to try.

Each rule is a published finding: shattering and its cures (Balduzzi et al. 2017, arXiv 1702.08591), vanishing and exploding
gradients (Glorot and Bengio 2010), dead units (Maas et al. 2013), self-normalisation (Klambauer et al. 2017, arXiv 1706.02515).
The bounds are conventions of this tool and stand in `Thresholds`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dlcli.specs.probe_gradients import Cause, LayerRow
from dlcli.support.plural import count


@dataclass(frozen=True)
class Thresholds:
    """From where on something counts as a cause."""

    dead: float = 0.5
    dead_inputs: int = 16
    norm_ratio: float = 1e3
    alike: float = 0.9
    strong: float = 0.8
    alike_growth: float = 0.1
    selu_variance: tuple[float, float] = (0.5, 2.0)
    selu_mean: float = 0.5


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class Observations:
    """What the rules look at: the verdict, the signals of all activations in order, and how many inputs, skips and layers."""

    verdict: str
    acf1: float | None
    signals: Sequence[LayerRow]
    inputs: int
    skips: int
    layers: int


def causes(facts: Observations, command: Callable[[str], str | None]) -> tuple[Cause, ...]:
    """The causes found, the likeliest first; `command` makes a move of a surgery's name, such as selu, or None."""
    rules = (_dead, _norms, _no_skips, _strong_branches, _collapse, _off_selu)
    found = [rule(facts) for rule in rules]
    return tuple(_cause(*one, command) for one in found if one is not None)


def _cause(name: str, evidence: str, surgeries: tuple[str, ...], command: Callable[[str], str | None]) -> Cause:
    """The cause with the surgeries that fit the network."""
    fitting = {surgery: typed for surgery in surgeries if (typed := command(surgery)) is not None}
    return Cause(name=name, evidence=evidence, suggestions=tuple(fitting.values()), surgeries=tuple(fitting))


_Found = tuple[str, str, tuple[str, ...]] | None


def _dead(facts: Observations) -> _Found:
    worst = max(facts.signals, key=lambda one: one.dead, default=None)
    # Of few inputs many units are below zero for all that live.
    if worst is None or worst.dead <= THRESHOLDS.dead or facts.inputs < THRESHOLDS.dead_inputs:
        return None
    evidence = (
        f"{worst.layer}: {worst.dead:.0%} of its units or channels are above zero for none of {count(facts.inputs, 'input')}"
    )
    return "dead units", evidence, ("selu", "elu")


def _norms(facts: Observations) -> _Found:
    back = [(one.layer, one.gradient) for one in facts.signals if one.gradient]
    if len(back) < 2:
        return None
    (first, early), (last, late) = back[0], back[-1]
    ratio = float(early) / float(late)
    if 1 / THRESHOLDS.norm_ratio <= ratio <= THRESHOLDS.norm_ratio:
        return None
    name = "exploding gradients" if ratio > 1 else "vanishing gradients"
    return name, f"the gradient at {first} is {ratio:.1e} times that at {last}", ("selu", "looks-linear")


def _no_skips(facts: Observations) -> _Found:
    if facts.skips or facts.verdict not in ("white", "shattered"):
        return None
    evidence = f"{count(facts.layers, 'layer')} without a skip, autocorrelation {facts.acf1:.2f} from one point to the next"
    return "shattered gradients", evidence + _lost_with_depth(facts.signals), ("looks-linear", "selu")


def _lost_with_depth(signals: Sequence[LayerRow]) -> str:
    """How alike the gradients of two inputs still are, from the output to the input."""
    known = [(one.layer, one.cosine) for one in signals if one.cosine is not None]
    if len(known) < 2:
        return ""
    (first, early), (last, late) = known[0], known[-1]
    return f"; the gradients of two inputs have a mean cosine of {late:.2f} at {last} and {early:.2f} at {first}"


def _strong_branches(facts: Observations) -> _Found:
    if not facts.skips or facts.verdict not in ("white", "shattered", "partial"):
        return None
    # Ordinary residual networks, whose branches are as strong as their skips, are just below the border of healthy ones.
    if facts.acf1 is not None and facts.acf1 >= THRESHOLDS.strong:
        return None
    evidence = f"{count(facts.skips, 'residual block')}, autocorrelation {facts.acf1:.2f} from one point to the next"
    return "residual branches as strong as their skips", evidence, ("residual-scale=0.1",)


def _collapse(facts: Observations) -> _Found:
    # Behind a skip most units are above zero whatever the input is, and what tells inputs apart is passed on.
    if facts.skips:
        return None
    shares = [(one.layer, one.coactive / one.active) for one in _rectified(facts.signals) if one.active > 0]
    if len(shares) < 2:
        return None
    (first, early), (last, late) = shares[0], shares[-1]
    if late < THRESHOLDS.alike or late - early < THRESHOLDS.alike_growth:
        return None
    evidence = f"of the units that one input activates, another activates {early:.0%} at {first} and {late:.0%} at {last}"
    return "inputs collapse together", evidence, ("selu", "looks-linear")


def _off_selu(facts: Observations) -> _Found:
    selus = [one for one in facts.signals if one.kind == "selu"]
    low, high = THRESHOLDS.selu_variance
    off = next((one for one in selus if not (low <= one.variance <= high and abs(one.mean) <= THRESHOLDS.selu_mean)), None)
    if off is None:
        return None
    evidence = f"{off.layer}: mean {off.mean:.2f}, variance {off.variance:.2f}, where the fixed point has 0 and 1"
    return "off the fixed point of SELU", evidence, ("selu",)


def _rectified(signals: Sequence[LayerRow]) -> Iterator[LayerRow]:
    return (one for one in signals if one.kind.startswith("relu"))
