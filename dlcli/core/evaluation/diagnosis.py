"""Where the error comes from, by the ladder of splits (A. Ng, Structuring Machine Learning Projects, 2017; system 2).

Human error, train, train-dev, dev, test: each step down adds one cause to the error, so each gap measures that cause.

The gaps to work on first are the largest gap whose interval lies above zero and every other such gap at least half as large.
Work on a gap reduces the error by that gap at most, so a gap half the size of the largest is worth a try and a smaller one is
not yet. They are ranked in the order of the splits, not by size, because a change to an earlier gap (a bigger network against
bias) changes every later one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from shlex import quote

from dlcli.core.models import MODELS
from dlcli.core.stats import independent_difference
from dlcli.specs.diagnosis import GAPS, SPLITS, Diagnosis, Gap, Suggestion
from dlcli.specs.estimates import Estimate

_WORTH_NAMING = 0.5
"""The share of the largest gap from which on another is named beside it."""

_SUGGESTIONS = {
    "avoidable bias": (
        ("a bigger network", "dlcli train --data {data} --model {bigger}"),
        ("train longer: twice the recipe's epochs", "dlcli train --data {data} --model {model} --epochs {longer}"),
        ("another optimiser", "dlcli train --data {data} --model {model} --optimizer {optimizer}"),
        ("another activation, over seeds", "dlcli train --data {data} --model {model} --with elu --versus baseline --seeds 5"),
    ),
    "variance": (
        ("more training data", "dlcli train --data MORE{ending} --model {model}"),
        ("augment", "dlcli train --data {data} --model {model} {augment}"),
        ("regularise by smoothed labels", "dlcli train --data {data} --model {model} --label-smoothing 0.1"),
        ("average the weights over steps", "dlcli train --data {data} --model {model} --ema 0.999"),
        ("stop when held-out examples say so", "dlcli train --data {data} --model {model} --dev 0.1 --early-stop loss"),
    ),
    "data mismatch": (
        ("look at the mistakes on dev", "dlcli eval {run} --data {data} --split dev --slices class -o mistakes/"),
        ("training data more like dev", "dlcli train --data LIKE-DEV{ending} --model {model}"),
        ("synthesise what dev has and train lacks", "dlcli train --data {data} --model {model} {synthesise}"),
    ),
    "overfitting to dev": (
        ("more dev data, and choose again by it", "dlcli eval {run} --data MORE-DEV{ending} --split dev"),
        ("fewer choices by dev: the recipe as it came", "dlcli train --data {data} --model {model}"),
    ),
}
_TELL_APART = "dlcli eval {run} --data WITH-{split}{ending} --diagnose"

_COLOUR, _GREY = 3, 1
_GENERAL = "cifar-resnet-56"
"""For a network that has no family; it takes images of any size and number of channels."""
_GENERAL_OF_CLIPS = "besnet50"
"""The same for clips."""

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
    """What the suggested commands refer to: `--data`, the network's name, its run directory, and its recipe.

    `channels` is that of the images: those of 3 are taken for photographs, which may be mirrored. With
    `clips` the examples are videos.
    """

    data: str = "DATA"
    model: str = "MODEL"
    run: str = "RUN"
    epochs: int = 10
    optimizer: str = "adam"
    channels: int = 3
    clips: bool = False


def diagnose(human: float, errors: Mapping[str, Estimate], setting: CommandContext | None = None) -> Diagnosis:
    """The ladder of `errors` (shares in [0, 1], by split, any subset of `SPLITS`) under the error `human`, taken as exact.

    Splits are independent samples, so gaps get Newcombe's interval. Where a split is missing, the gap across it belongs to
    all gaps it spans: it stands at the first of them, which names the others. `setting` fills the commands.
    Raises ValueError for other splits, for none, or if `human` is outside [0, 1].
    """
    if not errors or not set(errors) <= set(SPLITS) or not 0 <= human <= 1:
        raise ValueError(f"errors of {', '.join(errors) or 'no split'} under a human error of {human}")
    known = {split: errors[split] for split in SPLITS if split in errors}
    gaps = tuple(_gaps(human, known))
    largest, named = _named(gaps)
    places = _places(setting or CommandContext())
    return Diagnosis(
        human=human,
        errors=known,
        gaps=gaps,
        largest=largest,
        named=named,
        missing=tuple(split for split in SPLITS if split not in known),
        suggestions=tuple(suggestion for gap in gaps if gap.name in named for suggestion in _suggestions(gap, places)),
    )


def bigger(model: str) -> str:
    """A larger network of the family of `model`: twice as deep, or torchvision's next; a general one where there is none."""
    family, _, depth = model.rpartition("-")
    family = family if depth.isdecimal() and family in MODELS.names() else model
    module = MODELS.module(family) if family in MODELS.names() else None
    if module is not None and hasattr(module, "DEPTH"):
        least = 2 * (int(depth) if family != model else module.DEPTH)
        return next(f"{family}-{deeper}" for deeper in range(least, 2 * least) if not module.check_depth(deeper))
    steps = (pair for names in _BIGGER for pair in pairwise(names.split()))
    return next((larger for smaller, larger in steps if smaller == model), _GENERAL)


def _places(setting: CommandContext) -> dict[str, str]:
    coloured = setting.channels == _COLOUR
    # The colour jitter and the blur know images of one or three channels only.
    painted = "--augment blur --augment color-jitter " if setting.channels in (_GREY, _COLOUR) else ""
    return {
        **{name: quote(getattr(setting, name)) for name in ("data", "model", "run")},
        "bigger": _GENERAL_OF_CLIPS if setting.clips else bigger(setting.model),
        "ending": "/" if setting.clips else ".npz",
        "longer": str(2 * setting.epochs),
        "optimizer": "adamw" if setting.optimizer != "adamw" else "sgd",
        "augment": "--augment crop --augment horizontal-flip" if coloured else "--augment shift",
        "synthesise": f"{painted}--augment shift",
    }


def _gaps(human: float, errors: Mapping[str, Estimate]) -> Iterator[Gap]:
    """All four, in order; a gap that another's gap covers, or that lies below the last split, is missing."""
    upper, above, waiting = "human", Estimate(human, human, human, 0), []
    for name, split in zip(GAPS, SPLITS, strict=True):
        waiting.append(name)
        if split not in errors:
            continue
        difference = independent_difference(errors[split], above)
        status = "established" if difference.low > 0 else "reversed" if difference.high < 0 else "not established"
        yield Gap(name=waiting[0], status=status, upper=upper, lower=split, difference=difference, causes=tuple(waiting))
        yield from (Gap(name=covered, status="missing") for covered in waiting[1:])
        upper, above, waiting = split, errors[split], []
    yield from (Gap(name=left, status="missing") for left in waiting)


def _named(gaps: tuple[Gap, ...]) -> tuple[str, tuple[str, ...]]:
    measured = {gap.name: gap.difference.value for gap in gaps if gap.difference is not None and gap.status == "established"}
    if not measured:
        return "", ()
    largest = max(measured, key=lambda name: measured[name])
    return largest, tuple(name for name, size in measured.items() if size >= _WORTH_NAMING * measured[largest])


def _suggestions(gap: Gap, places: Mapping[str, str]) -> Iterator[Suggestion]:
    for cause in gap.causes[1:]:
        split = SPLITS[GAPS.index(cause) - 1]
        command = _TELL_APART.format(split=split.upper(), **places)
        yield Suggestion(gap=gap.name, what=f"measure {split}, to tell {gap.name} from {cause}", command=command)
    for what, command in _SUGGESTIONS[gap.name]:
        if "{bigger}" in command and places["bigger"] == places["model"]:
            continue
        yield Suggestion(gap=gap.name, what=what, command=command.format(**places))
