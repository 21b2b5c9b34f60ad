"""Options of `dlcli train` on learning from labelled and unlabelled images at once."""

from typing import Any

from dlcli.specs.arms import Text, names_option, values
from dlcli.specs.option import entries, option
from dlcli.specs.training_options import SEEDS
from dlcli.support.errors import UsageError
from dlcli.support.plural import count

NO_SEMI = "none"
DEFAULT_TEMPERATURE = (0.5, 3e-5, 2000)
_M2 = ("gumbel-softmax", "gumbel-st", "marginal")
OF_SEMI = {
    "alpha": _M2,
    "temperature": _M2[:2],
    "threshold": ("fixmatch", "pseudo-label"),
    "unlabelled_weight": ("entropy", "fixmatch", "mean-teacher", "pseudo-label"),
    "unlabelled_ratio": (),
}
"""The options that need `semi`, and the methods that have each; () for all."""
_MIXING = ("mixup", "cutmix")


def semi_methods() -> tuple[str, ...]:
    """What `semi` accepts."""
    return (NO_SEMI, *entries("semi-supervised method", "dlcli.core.semi_supervised.methods")())


def semi_option() -> Any:
    """`semi`: how unlabelled images are learned from."""
    return names_option(
        "Learn from unlabelled images too, those without one of `labels` and those of `unlabelled`, by fixmatch (Sohn et al. "
        "2020), mean-teacher (Tarvainen and Valpola 2017), pseudo-label (Lee 2013), entropy (Grandvalet and Bengio 2005), or a "
        "generative model, the M2 of Kingma et al. 2014, whose unknown labels are summed over (marginal) or sampled "
        "(gumbel-softmax, gumbel-st; Jang et al. 2017). none: do not.",
        choices=semi_methods,
    )


def labels_seed_option() -> Any:
    """`labels_seed`: which labels are drawn."""
    return option(
        None,
        "Seed of the draw of `labels` alone, the same for all seeds of a comparison. Default: the seed of the training.",
        minimum=0,
        limit=2**63 - 1,
        metavar="N",
    )


def label_draws_option() -> Any:
    """`label_draws`: how many draws of labels a comparison has."""
    return option(
        None,
        "Number of draws of `labels` in a comparison. Its seeds are shared out among them, so that what the draw adds to the "
        "variance over seeds is estimated; differences are then over draws. Default: as many as seeds.",
        minimum=2,
    )


def alpha_option() -> Any:
    """`alpha`: the weight of the classification loss in the M2 model."""
    return option(
        None,
        "Weight of the classification loss in the M2 models of `semi`, beside a log-likelihood that is summed over pixels. "
        "Default: 50.",
        above=0,
    )


def temperature_option() -> Any:
    """`temperature`: of the Gumbel-softmax distribution."""
    return option(
        None,
        "Temperature in `semi=gumbel-softmax` and gumbel-st after t steps: the larger of FLOOR and exp(-RATE t), updated every "
        "STEPS steps. Default: 0.5:3e-5:2000.",
        parse=parse_temperature,
        show=show_temperature,
        metavar="FLOOR:RATE[:STEPS]",
    )


def threshold_option() -> Any:
    """`threshold`: how probable a pseudo-label must be."""
    return option(
        None,
        "Least probability of a pseudo-label in `semi=fixmatch` and pseudo-label. Default: 0.95, and 0.",
        minimum=0,
        below=1,
    )


def unlabelled_weight_option() -> Any:
    """`unlabelled_weight`: of the loss of unlabelled images."""
    return option(
        None,
        "Weight of the loss of unlabelled images in `semi`. Default: that of the method, 1 for fixmatch and entropy, 3 for "
        "pseudo-label, 50 for mean-teacher.",
        minimum=0,
        metavar="WEIGHT",
    )


def unlabelled_ratio_option() -> Any:
    """`unlabelled_ratio`: how many unlabelled images are in a step."""
    return option(
        None,
        "Unlabelled images of a step for each labelled one in `semi`. Default: 7 for fixmatch, else 1.",
        minimum=1,
        limit=10_000,
    )


def steps_per_epoch_option() -> Any:
    """`steps_per_epoch`: how many steps an epoch takes."""
    return option(
        None,
        "Steps of an epoch, which takes the training set as often as it needs for them. Default: one pass; with `semi` as many "
        "steps as one pass over all images, labelled and unlabelled.",
        minimum=1,
        limit=1_000_000,
        metavar="N",
    )


def parse_temperature(value: Any) -> tuple[float, float, int]:
    """The floor in (0, 1], the rate of decay a step and every how many steps it falls.

    Args:
        value: `0.5:3e-5`, `0.5:3e-5:1000`, or the numbers.

    Returns:
        The three numbers.

    Raises:
        ValueError: With one sentence, for anything else.
    """
    parts = list(value) if isinstance(value, (list, tuple)) else str(value).split(":")
    wanted = f"'{value}' is not FLOOR:RATE[:STEPS] with FLOOR above 0 and at most 1, RATE 0 or more and STEPS 1 or more"
    try:
        floor, rate = (float(part) for part in parts[:2])
        every = int(parts[2]) if len(parts) > 2 else DEFAULT_TEMPERATURE[2]
    except ValueError:
        raise ValueError(wanted) from None
    if len(parts) > 3 or not 0 < floor <= 1 or not 0 <= rate < float("inf") or every < 1:
        raise ValueError(wanted)
    return floor, rate, every


def show_temperature(value: tuple[float, float, int]) -> str:
    """What `parse_temperature` reads."""
    floor, rate, every = value
    return f"{floor:g}:{rate:g}:{every}"


def semi_chosen(semi: Text) -> tuple[str, ...]:
    """The methods of an option `semi`, without none."""
    return tuple(name for name in values(semi) if name not in (None, NO_SEMI))


def inapplicable_to_semi(semi: Text) -> tuple[str, ...]:
    """The options of `semi` that none of these methods has."""
    chosen = set(semi_chosen(semi))
    return tuple(name for name, only in OF_SEMI.items() if not (chosen & set(only) if only else chosen))


def check_semi(config: Any) -> None:
    """Raise UsageError for what semi-supervised training needs and does not have, or for its options without it."""
    for name in inapplicable_to_semi(config.semi):
        if getattr(config, name) is not None:
            only = OF_SEMI[name]
            needed = " or ".join((", ".join((f"`semi={only[0]}`", *only[1:-1])), only[-1])) if only else "`semi`"
            raise UsageError(f"`{name}` needs {needed}", hint=f"omit `{name}`")
    _check_draws(config)
    if chosen := semi_chosen(config.semi):
        _check_chosen(config, chosen)


def _check_chosen(config: Any, chosen: tuple[str, ...]) -> None:
    if config.task != "images":
        raise UsageError(f"`semi` is of classes of images, and does not apply to `task={config.task}`", hint="omit `semi`")
    if config.labels is None and config.unlabelled is None:
        hint = "`labels=100` takes the labels of all other training images away, `unlabelled=DIR` adds images without"
        raise UsageError("`semi` needs unlabelled images: `labels` or `unlabelled`", hint=hint)
    if "mean-teacher" in chosen and 0 in values(config.ema):
        raise UsageError("`semi=mean-teacher` is taught by a moving average of the weights, and `ema` is 0", hint="omit `ema`")
    generative = [name for name in chosen if name in _M2]
    for name in _MIXING:
        if generative and any(values(getattr(config, name))):
            message = f"`{name}` and `semi={generative[0]}` do not go together: a mixed image has no label to generate it by"
            raise UsageError(message, hint=f"omit `{name}`")


def _check_draws(config: Any) -> None:
    for name in ("labels_seed", "label_draws"):
        if getattr(config, name) is not None and config.labels is None:
            raise UsageError(f"`{name}` needs `labels`", hint=f"omit `{name}`")
    if config.label_draws is None:
        return
    if config.labels_seed is not None:
        raise UsageError("`labels_seed` is one draw, and `label_draws` are several", hint="omit one of them")
    if not config.compares:
        raise UsageError("`label_draws` needs a comparison", hint="add `versus`, or omit `label_draws`")
    seeds = config.seeds or SEEDS
    if seeds % config.label_draws:
        message = f"`label_draws`: {count(seeds, 'seed')} cannot be shared out equally among {config.label_draws} draws"
        raise UsageError(message, hint=f"choose `seeds={config.label_draws * -(-seeds // config.label_draws)}`")
