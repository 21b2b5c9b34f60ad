"""Options of `dlcli train` on the steps of training: what the optimizer does with a gradient, and at what rate."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from dlcli.specs.arms import Number, numbers_option
from dlcli.specs.option import option
from dlcli.support.errors import UsageError

SEEDS = 5
"""How many seeds a comparison has unless a number is given."""
_LEAST_ALPHA = 0.001
"""Below it a Beta distribution of float32 is no longer one: torch draws 0.5 each time."""


def weight_decay_option() -> Any:
    """`weight_decay`: how fast weights shrink."""
    return numbers_option(
        None,
        "Weight decay, as the optimizer defines it: decoupled for adamw, else an L2 penalty. Biases and normalisation do not "
        "decay. Default: the network's own.",
        minimum=0,
    )


def momentum_option() -> Any:
    """`momentum`: that of SGD."""
    return numbers_option(
        None, "Momentum of `optimizer=sgd`. Default: the network's own, or 0.9 if the network has none.", minimum=0, below=1
    )


def warmup_option() -> Any:
    """`warmup`: epochs in which the learning rate rises."""
    return numbers_option(
        0.0,
        "Raise the learning rate linearly over this many epochs first, e.g. 0.5; the schedule takes the rest.",
        minimum=0,
        metavar="EPOCHS[,EPOCHS...]",
    )


def mixup_option() -> Any:
    """`mixup`: images that are sums of two."""
    return numbers_option(
        0.0,
        "Mixup: mix the images of each batch in pairs, and their labels alike, by a share drawn from Beta(ALPHA, ALPHA), e.g. "
        "0.2 (Zhang et al. 2018).",
        minimum=0,
        maximum=1000,
        metavar="ALPHA[,ALPHA...]",
    )


def cutmix_option() -> Any:
    """`cutmix`: images with a rectangle of another one."""
    return numbers_option(
        0.0,
        "CutMix: paste a rectangle of one image into another, with labels by area; its share is drawn from Beta(ALPHA, ALPHA), "
        "e.g. 1 (Yun et al. 2019). With `mixup` too, each batch gets either.",
        minimum=0,
        maximum=1000,
        metavar="ALPHA[,ALPHA...]",
    )


def check_mixing(alphas: Mapping[str, Number], *, adversarial: bool) -> None:
    """Raise UsageError if images cannot be mixed by the `alphas` of `mixup` and `cutmix`, or not in adversarial training."""
    every = [
        (name, alpha) for name, given in alphas.items() for alpha in (given if isinstance(given, tuple) else (given or 0.0,))
    ]
    for name, alpha in every:
        if 0 < alpha < _LEAST_ALPHA:
            raise UsageError(f"`{name}`: {alpha:g} is below {_LEAST_ALPHA:g}", hint="0 is none")
        if alpha and adversarial:
            message = f"`adversarial` and `{name}` cannot be combined: an attack needs one label for each image"
            raise UsageError(message, hint=f"omit `{name}`")


def freeze_option() -> Any:
    """`freeze`: what is not trained."""
    return option(
        (),
        "Freeze the parameters whose names in the file of weights begin with PREFIX, e.g. features or layer1.0 (repeatable). "
        "Frozen layers stay in evaluation mode, so their batch normalisation does not change either.",
        metavar="PREFIX",
    )


def lr_for_option() -> Any:
    """`lr_for`: learning rates of parts of the network."""
    return option(
        (),
        "Learning rate of the parameters whose names begin with PREFIX, e.g. layer4=1e-4 (repeatable; the longest prefix "
        "counts). The schedule applies to all rates alike.",
        metavar="PREFIX=RATE",
    )


def parse_rates(values: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """The prefixes and rates of `lr_for`; raises UsageError for a rate that is not one, or a prefix without or with two."""
    found: dict[str, float] = {}
    for value in values:
        prefix, _, rate = value.rpartition("=")
        prefix = prefix.removesuffix(".")
        try:
            number = float(rate)
        except ValueError:
            number = 0.0
        if not prefix or not 0 < number < inf:
            raise UsageError(f"`lr_for`: '{value}' is not PREFIX=RATE with a rate above 0", hint="`lr_for=layer4=1e-4`")
        if prefix in found:
            raise UsageError(f"`lr_for`: '{prefix}' is given twice")
        found[prefix] = number
    return tuple(found.items())
