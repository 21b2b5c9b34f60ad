"""The common corruptions: their names, and the options that are about them."""

from typing import Any

from dlcli.specs.option import declared, one_of, option
from dlcli.support.errors import UsageError

METHOD = "corruptions"
"""The choice of `method` that measures them."""
SEVERITIES = (1, 2, 3, 4, 5)
FAMILIES = {
    "noise": ("gaussian-noise", "shot-noise", "impulse-noise"),
    "blur": ("defocus-blur", "glass-blur", "motion-blur", "zoom-blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic-transform", "pixelate", "jpeg-compression"),
}
CORRUPTIONS = tuple(name for family in FAMILIES.values() for name in family)
"""The fifteen of Hendrycks and Dietterich 2019 (arXiv 1903.12261), in their order."""

_OF_ATTACKS = (
    *("norm", "eps", "steps", "restarts", "step_size", "queries", "target", "surrogate", "save", "resume", "time_limit"),
    "stop_when_sure",
)


def _names(value: Any) -> tuple[str, ...]:
    """The names in `fog` or `fog,snow`."""
    return tuple(value) if isinstance(value, (list, tuple)) else tuple(name.strip() for name in str(value).split(","))


def corruptions_option() -> Any:
    """`corruptions`: which of them `method=corruptions` applies."""
    return option(
        None,
        f"Corruptions that `method=corruptions` applies, such as fog,snow: {', '.join(CORRUPTIONS)}. Default: all.",
        choices=one_of(*CORRUPTIONS),
        parse=_names,
        show=",".join,
        metavar="NAME[,NAME]",
    )


def against_option() -> Any:
    """`against`: the baseline network to which the errors under corruptions are related."""
    return option(
        None,
        "Trained baseline network (a directory, or file.py:callable): the errors under `method=corruptions` are given relative "
        "to its errors on the same images, as the mean corruption error was defined.",
        metavar="SPEC",
        reads=True,
        names_code=True,
    )


def check_corruptions(config: Any) -> None:
    """Raise UsageError for options of corruptions without them, and for options that mean nothing with them."""
    if METHOD not in config.methods:
        for name in ("corruptions", "against"):
            if getattr(config, name) is not None:
                raise UsageError(f"`{name}` needs `method={METHOD}`", hint=f"add `method={METHOD}`, or omit `{name}`")
        return
    if len(config.methods) > 1:
        raise UsageError(f"`method`: {METHOD} has no eps to share with other methods", hint="run it alone")
    defaults = {item.name: item.default for item, _ in declared(config)}
    for name in _OF_ATTACKS:
        if getattr(config, name) != defaults[name]:
            raise UsageError(f"`{name}` does not apply to `method={METHOD}`", hint=f"omit `{name}`")


def refuse_corruptions(config: Any) -> None:
    """Raise UsageError if they are asked for of a network that does not classify images."""
    if METHOD in config.methods:
        raise UsageError(f"`method`: {METHOD} are measured of networks that classify images", hint="choose pgd")
