"""What is known about a network that a program has loaded: it stays with the network."""

from dataclasses import dataclass

from torch import nn

from dlcli.core.data.preparation import Preparation


@dataclass(frozen=True)
class LoadedFacts:
    """What a loaded network was made for.

    Attributes:
        name: Its name in messages and results.
        classes: The names of its outputs in order; None if they are not known.
        channels: Channels of its images.
        size: Height and width of its images, in pixels.
        frames: Frames per clip; None for images.
        normalise: The normalisation that it begins with, as the option of this name; it takes images in [0, 1].
        preparation: How pictures are resized and cropped for it; None for the shorter side to `size`.
        recorded: Whether all this was written down with the network.
    """

    name: str
    classes: tuple[str, ...] | None
    channels: int
    size: tuple[int, int]
    frames: int | None
    normalise: str
    preparation: Preparation | None
    recorded: bool

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an image (c, h, w), or of a clip (c, t, h, w)."""
        return (self.channels, *(() if self.frames is None else (self.frames,)), *self.size)


def attach(model: nn.Module, facts: LoadedFacts) -> nn.Module:
    """Keep `facts` with a network, as its attribute `loaded`; copies have it too."""
    model.loaded = facts  # type: ignore[assignment]
    return model


def facts_of(model: object) -> LoadedFacts | None:
    """What is known about a network; None if it was not loaded."""
    found = getattr(model, "loaded", None)
    return found if isinstance(found, LoadedFacts) else None
