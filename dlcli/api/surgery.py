"""Surgery on a network of a program."""

from contextlib import suppress
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode
from dlcli.core.compute.rng import preserved
from dlcli.core.model_io.loaded import facts_of
from dlcli.core.surgery import SURGERY, apply_surgery
from dlcli.support.errors import InputError
from dlcli.support.seeds import derive

_SIDES = (32, 28, 224, 8, 64, 96, 128, 299)
"""Heights and widths of images that networks are often made for."""


class Operation(Protocol):
    """A surgery as a function."""

    def __call__(self, model: nn.Module, argument: object = "", *, sample: Tensor | None = None, seed: int = 0) -> nn.Module:
        """Change a copy of a network.

        Args:
            model: The network; it stays as it is.
            argument: What follows the equals sign in `--with NAME=ARGUMENT`.
            sample: An example of its input, (1, c, h, w) in [0, 1]; None for a black image of a usual size that it takes.
            seed: Of new weights; the same as in `train`.

        Returns:
            The copy.

        Raises:
            UsageError: For a wrong argument.
            InputError: For a network that the surgery cannot change.
        """


def operation(name: str) -> Operation:
    """The surgery of this name, underscores for hyphens; raises AttributeError if there is none."""
    entry = name.replace("_", "-")
    if entry not in SURGERY.names():
        raise AttributeError(f"module 'dlcli.surgery' has no attribute '{name}'; it has {', '.join(operation_names())}")

    def change(model: nn.Module, argument: object = "", *, sample: Tensor | None = None, seed: int = 0) -> nn.Module:
        spec = f"{entry}={_text(argument)}" if _text(argument) else entry
        with preserved():
            torch.manual_seed(derive(seed, "surgery"))
            if sample is not None:
                return apply_surgery(model, (spec,), sample).model
            try:
                return apply_surgery(model, (spec,), _sample(model)).model
            except InputError as error:
                error.hint = error.hint or "give `sample`, an example of its input"
                raise

    change.__name__ = change.__qualname__ = name
    change.__doc__ = f"{SURGERY.module(entry).__doc__}\n\n{Operation.__call__.__doc__}"
    return change


def operation_names() -> list[str]:
    """The names of all surgeries, underscores for hyphens."""
    return [name.replace("-", "_") for name in SURGERY.names()]


def _text(argument: object) -> str:
    values: Any = argument if isinstance(argument, (tuple, list)) else (argument,)
    return ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _sample(model: nn.Module) -> Tensor:
    """A black image of the shape that the network was made for, or of a usual size that it takes."""
    known = facts_of(model)
    device = next(model.parameters(), torch.empty(0)).device
    if known is not None:
        return torch.zeros(1, *known.input_shape, device=device)
    channels = next((layer.in_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)), 1)
    images = [torch.zeros(1, channels, side, side, device=device) for side in _SIDES]
    return next((image for image in images if _takes(model, image)), images[0])


def _takes(model: nn.Module, image: Tensor) -> bool:
    with in_mode(model), torch.no_grad(), suppress(InputError):
        call_model(model, image)
        return True
    return False
