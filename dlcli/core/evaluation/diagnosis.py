"""Find where the error comes from by comparing splits (A. Ng, Structuring Machine Learning Projects, 2017; system 2).

Human error, train, train-dev, dev, test: each step down adds one cause to the error, so each gap measures that cause.

The gaps are tested by Holm's method, so that one that is none is called established in at most one diagnosis of twenty.
The gaps to work on first are the largest established one and every other at least half as large. It is called the largest
only if it exceeds, beyond chance, every other measured gap.
Work on a gap reduces the error by that gap at most, so a gap half the size of the largest is worth a try and a smaller one is
not yet. They are ranked in the order of the splits, not by size, because a change to an earlier gap (a bigger network against
bias) changes every later one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import sqrt
from typing import Any

from scipy.special import ndtri

from dlcli.core.evaluation.slices import holm
from dlcli.core.models import MODELS
from dlcli.core.proportion import independent_examples
from dlcli.core.stats import independent_difference, p_of_independent
from dlcli.specs.command_line import command_line
from dlcli.specs.diagnosis import GAPS, SPLITS, Diagnosis, Gap, Suggestion
from dlcli.specs.estimates import Estimate
from dlcli.specs.sequences import SEQUENCES

_WORTH_NAMING = 0.5
"""Fraction of the largest gap from which on another gap is reported too."""

LEVEL = 0.05
_COLOUR, _GREY = 3, 1
_GENERAL = "cifar-resnet-56"
"""For a network without a family; accepts images of any size and number of channels."""
_GENERAL_OF_CLIPS = "besnet50"
"""For video clips."""

_BIGGER = (
    "resnet18 resnet34 resnet50 resnet101 resnet152",
    "wide_resnet50_2 wide_resnet101_2",
    "resnext50_32x4d resnext101_32x8d",
    "vgg11 vgg13 vgg16 vgg19",
    "vgg11_bn vgg13_bn vgg16_bn vgg19_bn",
    "densenet121 densenet169 densenet201",
    "mobilenet_v3_small mobilenet_v3_large",
    "shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0",
    "efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6",
    "convnext_tiny convnext_small convnext_base convnext_large",
    "swin_t swin_s swin_b",
    "vit_b_16 vit_l_16",
)
"""Families of torchvision, from small to large."""


@dataclass(frozen=True, kw_only=True)
class CommandContext:
    """What the suggested commands refer to: the data, the name of the network, its run directory, and its recipe.

    Images of 3 `channels` count as photographs, which may be mirrored. With `clips` the examples are videos, with `sequences`
    sequences, for which there is no augmentation.
    """

    data: str = "DATA"
    model: str = "MODEL"
    run: str = "RUN"
    epochs: int = 10
    optimizer: str = "adam"
    channels: int = 3
    clips: bool = False
    sequences: bool = False


def diagnose(human: float, errors: Mapping[str, Estimate], setting: CommandContext | None = None) -> Diagnosis:
    """Compare the errors of successive splits, from human error down to test error, and rank the gaps.

    Splits are independent samples, so gaps get Newcombe's interval, and the test that goes with it, by Holm. Where a split
    is missing, the gap across it belongs to all gaps that it spans: it is reported at the first, which names the others.

    Args:
        human: Human error in [0, 1], taken as exact.
        errors: Error in [0, 1] by split; any non-empty subset of `SPLITS`.
        setting: What the suggested commands refer to.

    Returns:
        All four gaps, those worth working on, and suggestions for these.

    Raises:
        ValueError: If there is no split or an unknown one, or `human` is outside [0, 1].
    """
    if not errors or not set(errors) <= set(SPLITS) or not 0 <= human <= 1:
        raise ValueError(f"errors of {', '.join(errors) or 'no split'} under a human error of {human}")
    known = {split: errors[split] for split in SPLITS if split in errors}
    gaps = _by_holm(tuple(_gaps(human, known)))
    largest, named = _named(gaps)
    context = setting or CommandContext()
    return Diagnosis(
        human=human,
        errors=known,
        gaps=gaps,
        largest=largest,
        named=named,
        told_apart=_told_apart(largest, gaps, human, known),
        missing=tuple(split for split in SPLITS if split not in known),
        suggestions=tuple(suggestion for gap in gaps if gap.name in named for suggestion in _suggestions(gap, context)),
    )


def bigger(model: str) -> str:
    """A larger network of the family of `model`: twice as deep, or the next in torchvision; else a general one."""
    family, _, depth = model.rpartition("-")
    family = family if depth.isdecimal() and family in MODELS.names() else model
    module = MODELS.module(family) if family in MODELS.names() else None
    if module is not None and hasattr(module, "DEPTH"):
        least = 2 * (int(depth) if family != model else module.DEPTH)
        return next(f"{family}-{deeper}" for deeper in range(least, 2 * least) if not module.check_depth(deeper))
    steps = (pair for names in _BIGGER for pair in pairwise(names.split()))
    return next((larger for smaller, larger in steps if smaller == model), _GENERAL)


def _candidates(context: CommandContext) -> dict[str, list[tuple[str, str]]]:
    """For each gap in `GAPS` what to try and the command to run, most promising first."""
    ending = "/" if context.clips else ".npz"
    train = partial(command_line, "train", **({"task": SEQUENCES} if context.sequences else {}))
    same: dict[str, Any] = {"data": context.data, "model": context.model}
    larger = context.model if context.sequences else _GENERAL_OF_CLIPS if context.clips else bigger(context.model)
    optimizer = "adamw" if context.optimizer != "adamw" else "sgd"
    evaluate = partial(command_line, "eval", model=context.run)
    by_class = f"{evaluate(data=context.data, split='dev', slices='class')} -o mistakes/"
    bigger_network = [("a bigger network", train(data=context.data, model=larger))] if larger != context.model else []
    return {
        "avoidable bias": [
            *bigger_network,
            ("train longer: twice the recipe's epochs", train(**same, epochs=2 * context.epochs)),
            ("another optimiser", train(**same, optimizer=optimizer)),
            ("another activation, over seeds", train(**same, surgery="elu", versus="baseline", seeds=5)),
        ],
        "variance": [
            ("more training data", train(data=f"MORE{ending}", model=context.model)),
            *([] if context.sequences else [("augment", train(**same, augment=_augmentations(context)))]),
            ("regularise by smoothed labels", train(**same, label_smoothing=0.1)),
            ("average the weights over steps", train(**same, ema=0.999)),
            ("stop when held-out examples say so", train(**same, dev=0.1, early_stop="loss")),
        ],
        "data mismatch": [
            ("look at the mistakes on dev", by_class),
            ("training data more like dev", train(data=f"LIKE-DEV{ending}", model=context.model)),
            *([] if context.sequences else [_synthesis(train, same, context)]),
        ],
        "overfitting to dev": [
            ("more dev data, and choose again by it", evaluate(data=f"MORE-DEV{ending}", split="dev")),
            ("fewer choices by dev: the recipe as it came", train(**same)),
        ],
    }


def _synthesis(train: Callable[..., str], same: Mapping[str, Any], context: CommandContext) -> tuple[str, str]:
    return "synthesise what dev has and train lacks", train(**same, augment=_domain_shifts(context))


def _augmentations(context: CommandContext) -> tuple[str, ...]:
    # A mirrored photograph shows the same thing; a mirrored digit or letter does not, so only colour images are flipped.
    return ("crop", "horizontal-flip") if context.channels == _COLOUR else ("shift",)


def _domain_shifts(context: CommandContext) -> tuple[str, ...]:
    # Blur and color-jitter are defined for one or three channels only.
    return ("blur", "color-jitter", "shift") if context.channels in (_GREY, _COLOUR) else ("shift",)


def _gaps(human: float, errors: Mapping[str, Estimate]) -> Iterator[Gap]:
    """All four gaps in order; one that another gap covers, or that is below the last split, is missing."""
    upper, above, waiting = "human", Estimate(human, human, human, 0), []
    for name, split in zip(GAPS, SPLITS, strict=True):
        waiting.append(name)
        if split not in errors:
            continue
        difference, p = independent_difference(errors[split], above), p_of_independent(errors[split], above)
        yield Gap(name=waiting[0], status="", upper=upper, lower=split, difference=difference, causes=tuple(waiting), p=p)
        yield from (Gap(name=covered, status="missing") for covered in waiting[1:])
        upper, above, waiting = split, errors[split], []
    yield from (Gap(name=left, status="missing") for left in waiting)


def _by_holm(gaps: tuple[Gap, ...]) -> tuple[Gap, ...]:
    """The measured gaps with their p-values corrected for their number, and the status that follows."""
    adjusted = iter(holm([gap.p for gap in gaps if gap.p is not None]))
    return tuple(gap if gap.p is None else _tested(gap, next(adjusted)) for gap in gaps)


def _tested(gap: Gap, p: float) -> Gap:
    above = gap.difference is not None and gap.difference.value > 0
    return replace(gap, p=p, status="not established" if p > LEVEL else "established" if above else "reversed")


def _told_apart(largest: str, gaps: tuple[Gap, ...], human: float, errors: Mapping[str, Estimate]) -> bool:
    """Whether the largest gap exceeds every other one beyond chance: by the delta method on the errors that they share."""
    measured = [gap for gap in gaps if gap.difference is not None]
    if not largest or len(measured) < 2:
        return bool(largest)
    top = next(gap for gap in measured if gap.name == largest)
    z = float(ndtri(1 - LEVEL / (2 * (len(measured) - 1))))
    return all(_exceeds(top, gap, human, errors, z) for gap in measured if gap is not top)


def _exceeds(top: Gap, other: Gap, human: float, errors: Mapping[str, Estimate], z: float) -> bool:
    weights: dict[str, float] = {}
    for gap, sign in ((top, 1), (other, -1)):
        weights[gap.lower] = weights.get(gap.lower, 0) + sign
        weights[gap.upper] = weights.get(gap.upper, 0) - sign
    value = {**{name: one.value for name, one in errors.items()}, "human": human}
    more = sum(weight * value[name] for name, weight in weights.items())
    # One success and one failure more in each sample, so that an error of 0 is not known exactly (Agresti and Caffo 2000).
    known = {name: (one.value, independent_examples(one) or 0.0) for name, one in errors.items()}
    shares = {name: ((share * n + 1) / (n + 2), n + 2) for name, (share, n) in known.items()}
    variance = sum(weights.get(name, 0) ** 2 * share * (1 - share) / n for name, (share, n) in shares.items())
    return more > z * sqrt(variance)


def _named(gaps: tuple[Gap, ...]) -> tuple[str, tuple[str, ...]]:
    measured = {gap.name: gap.difference.value for gap in gaps if gap.difference is not None and gap.status == "established"}
    if not measured:
        return "", ()
    largest = max(measured, key=lambda name: measured[name])
    return largest, tuple(name for name, size in measured.items() if size >= _WORTH_NAMING * measured[largest])


def _suggestions(gap: Gap, context: CommandContext) -> Iterator[Suggestion]:
    for cause in gap.causes[1:]:
        split = SPLITS[GAPS.index(cause) - 1]
        data = f"WITH-{split.upper()}{'/' if context.clips else '.npz'}"
        command = command_line("eval", model=context.run, data=data, diagnose=True)
        yield Suggestion(gap=gap.name, what=f"measure {split}, to tell {gap.name} from {cause}", command=command)
    for what, command in _candidates(context)[gap.name]:
        yield Suggestion(gap=gap.name, what=what, command=command)
