"""What a hub of published networks knows about one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from dlcli.core.data.preparation import Preparation
from dlcli.core.layers.normalise import IMAGENET
from dlcli.core.models.fetched_files import FetchedFile
from dlcli.specs.normalise import NONE, parse_normalisation
from dlcli.support.paths import cache_dir
from dlcli.support.reporter import Reporter


@dataclass(frozen=True)
class Published:
    """A published network, but for its weights.

    Attributes:
        spec: Its whole name, with the weights that were chosen: `timm:resnet50.a1_in1k`.
        preparation: How it wants pictures.
        normalise: How it wants their values, a value of the option `normalise`.
        classes: Names of its outputs, in order; none if it has no outputs for classes.
    """

    spec: str
    preparation: Preparation
    normalise: str
    classes: tuple[str, ...]


class Hub(Protocol):
    """The functions and constants of a module of the registry."""

    EXAMPLE: str
    """The name of a network there, for hints."""

    def published(self, name: str, report: Reporter) -> Published:
        """What is known about a network; raises UsageError if there is none of that name."""

    def weights(self, name: str, report: Reporter) -> FetchedFile:
        """The file of its weights in the cache, downloaded the first time."""

    def build(self, name: str, channels: int, size: tuple[int, int], classes: int) -> nn.Module:
        """The network with random weights.

        Args:
            name: Its name there.
            channels: Channels of the images.
            size: Their height and width, in pixels.
            classes: Number of outputs.

        Raises:
            UsageError: If the hub has no such network.
            InputError: If it does not take such images.
        """

    def trained(self, name: str, state: Mapping[str, Tensor], size: tuple[int, int], classes: int) -> nn.Module:
        """The network with its weights.

        Args:
            name: Its name there.
            state: The weights, as the file holds them.
            size: Height and width of the images, in pixels.
            classes: Number of outputs; if there are others than published, the last layer has random weights.

        Raises:
            InputError: If the weights do not fit, or the network takes no such images.
        """


def hub_folder(hub: str, *parts: str) -> Path:
    """The folder of the cache for the files of a network."""
    return cache_dir().joinpath("pretrained", hub, *parts)


def normalise_name(mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """The value of the option `normalise` for a mean and standard deviation of values in [0, 1]."""
    typed = parse_normalisation("/".join(",".join(f"{value:.6g}" for value in side) for side in (mean, std)))
    known = parse_normalisation(IMAGENET)
    if (typed.mean, typed.std) == (known.mean, known.std):
        return IMAGENET
    return NONE if not any(mean) and set(std) == {1.0} else typed.name
