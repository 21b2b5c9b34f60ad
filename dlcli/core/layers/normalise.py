"""Networks that were trained on normalised images take them in [0, 1] here: the normalisation belongs to the model.

So an attack perturbs pixels, its eps is in units of pixels, and gradients are with respect to pixels.
"""

from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.layers.wrapped import hide_from_state_dict
from dlcli.specs.normalise import NONE, Normalisation, parse_normalisation
from dlcli.support.errors import InputError, UsageError
from dlcli.support.plural import count

IMAGENET = "imagenet"
"""The normalisation of torchvision's weights."""
IMAGENET_CLASSES = 1000


class Normalised(nn.Module):
    """`inner` behind a normalisation; the keys of its state dict are those of `inner`."""

    mean: Tensor
    std: Tensor

    def __init__(self, inner: nn.Module, how: Normalisation) -> None:
        super().__init__()
        self.inner, self.how = inner, how
        hide_from_state_dict(self)
        self.register_buffer("mean", torch.tensor(how.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(how.std).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Any:
        """Takes (n, c, h, w) or clips (n, c, t, h, w) in [0, 1]."""
        shape = (-1, *[1] * (x.dim() - 2))
        x = x.flip(1) if self.how.bgr else x
        x = x if self.how.white == 1 else x * self.how.white
        return self.inner((x - self.mean.view(shape)) / self.std.view(shape))


def normalised(model: nn.Module, name: str, channels: int | None = None) -> nn.Module:
    """`model` behind the normalisation called `name`, in place of the one that it has; `none` is `model` itself.

    Args:
        model: A network, on any device.
        name: A value of the option `normalise`, but not auto.
        channels: How many channels the images have, to check that the normalisation is for these; None if unknown.

    Raises:
        UsageError: If there is no such normalisation.
        InputError: If it is for another number of channels.
    """
    try:
        how = parse_normalisation(name)
    except ValueError as error:
        raise UsageError(f"`normalise`: {error}") from None
    if channels is not None and how.channels not in (None, channels):
        what = f"{'sequences' if how.of_steps else 'images'} of {how.channels} channels"
        message = f"`normalise`: {name} is for {what}; these have {count(channels, 'channel')}"
        raise InputError(message, hint="give one MEAN/STD, such as 0.5/0.5")
    inner = without_normalisation(model)
    if name == NONE:
        return inner
    device = next(inner.parameters(), torch.empty(0)).device
    wrapped = Normalised(inner, how).to(device)
    wrapped.training = model.training  # not train(), which would change layers that are kept in another mode
    return wrapped


def without_normalisation(model: nn.Module) -> nn.Module:
    """What stands behind the normalisation of `model`."""
    return model.inner if isinstance(model, Normalised) else model


def normalisation_of(model: nn.Module) -> str:
    """The name of the normalisation that `model` stands behind, a value of the option `normalise`."""
    return model.how.name if isinstance(model, Normalised) else NONE
