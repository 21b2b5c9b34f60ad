"""`normalise`: what is done to images, which dlcli reads as RGB in [0, 1], before a network sees them."""

import math
from dataclasses import dataclass
from typing import Any

from dlcli.specs.option import option

AUTO, NONE = "auto", "none"
_BGR = ":bgr"
_STEPS = "steps:"
_NAMED: dict[str, tuple[int, tuple[float, ...], tuple[float, ...]]] = {
    NONE: (1, (0.0,), (1.0,)),
    "0-255": (255, (0.0,), (1.0,)),
    "imagenet": (1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": (1, (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "mnist": (1, (0.1307,), (0.3081,)),
}
"""By name: the value of white, and mean and standard deviation of the channels, one for all or red, green and blue."""


@dataclass(frozen=True)
class Normalisation:
    """(white * x - mean) / std for images x in [0, 1]; with `bgr` the channels are reversed first.

    Attributes:
        name: How it is typed.
        white: The value of white before the mean is subtracted: 1 or 255.
        mean: Of all channels, or of each in the order of the network.
        std: Likewise.
        bgr: Whether the network takes blue first.
    """

    name: str
    white: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool

    @property
    def of_steps(self) -> bool:
        """Whether it is for sequences."""
        return self.name.startswith(_STEPS)

    @property
    def channels(self) -> int | None:
        """The number of channels it is for; None for any."""
        return 3 if self.bgr else len(self.mean) if len(self.mean) > 1 else None


def parse_normalisation(name: str) -> Normalisation:
    """The normalisation called `name`, any value of `normalise` but auto; raises ValueError with one sentence.

    A mean or standard deviation above 1 means that all values are on the scale of 0 to 255. With `:bgr` values that are typed
    are those of blue, green and red, while a name such as `imagenet:bgr` keeps those of each colour.
    """
    base, bgr = name.removesuffix(_BGR), name.endswith(_BGR)
    if base in _NAMED:
        white, mean, std = _NAMED[base]
        return Normalisation(name, white, mean[::-1] if bgr else mean, std[::-1] if bgr else std, bgr)
    left, slash, right = base.removeprefix(_STEPS).partition("/")
    if base.startswith(_STEPS) and slash:
        return _of_steps(name, _numbers(left), _numbers(right))
    if not slash:
        raise ValueError(f"'{name}' is not one of {AUTO}, {', '.join(_NAMED)} and MEAN/STD, such as 0.5/0.5")
    mean, std = _numbers(left), _numbers(right)
    count = max(len(mean), len(std))
    if min(std) <= 0:
        raise ValueError(f"'{name}': a standard deviation is not above 0")
    if count not in (1, 3) or {len(mean), len(std)} - {1, count}:
        raise ValueError(f"'{name}' needs one value or three before and after the slash")
    white = 255 if max(*mean, *std) > 1 else 1
    return Normalisation(_typed(mean, std, bgr), white, mean * (count // len(mean)), std * (count // len(std)), bgr)


def standardisation(mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """The name of the normalisation of sequences by mean and standard deviation of each channel."""
    return _STEPS + "/".join(",".join(f"{value:.9g}" for value in side) for side in (mean, std))


def _of_steps(name: str, mean: tuple[float, ...], std: tuple[float, ...]) -> Normalisation:
    if len(mean) != len(std) or min(std) <= 0:
        raise ValueError(f"'{name}' needs as many standard deviations, above 0, as means")
    return Normalisation(name, 1, mean, std, False)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(map(math.isfinite, found)):
        raise ValueError(f"'{text}' is not a list of numbers")
    return found


def _typed(mean: tuple[float, ...], std: tuple[float, ...], bgr: bool) -> str:
    sides = (",".join(f"{value:.6g}" for value in side) for side in (mean, std))
    return "/".join(sides) + (_BGR if bgr else "")


def _parse(value: Any) -> str:
    name = str(value).strip().lower()
    return AUTO if name == AUTO else parse_normalisation(name).name


def normalise_option(what: str = "the network") -> Any:
    """`normalise`: how `what` wants its images."""
    return option(
        AUTO,
        f"Normalise images as {what} wants them: none (0 to 1), 0-255, imagenet, cifar10, mnist or MEAN/STD such as 0.5/0.5, "
        "one value or one per channel; add :bgr if it takes blue first. auto: as its run records it, for a checkpoint as "
        "published weights of the same network, else none. Sequences are standardised by channel: steps:MEANS/STDS, by auto "
        "those of the training set.",
        parse=_parse,
        show=str,
        metavar="HOW",
    )
