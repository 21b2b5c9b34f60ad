"""Whether a network, which may be any code, has something to train, and the layout of its weights in memory."""

import torch
from torch import Tensor, nn

from dlcli.support.errors import InputError


def in_layout(model: nn.Module, layout: torch.memory_format) -> nn.Module:
    """`model` with its weights in that layout; as they were if it has some that know no such layout, as those of Conv3d."""
    try:
        return model.to(memory_format=layout)
    except RuntimeError:
        return model.to(memory_format=torch.contiguous_format)


def check_parameters(model: nn.Module) -> None:
    """Raise InputError if there is nothing to train."""
    parameters = list(model.parameters())
    if not any(parameter.requires_grad for parameter in parameters):
        what = "all its parameters are frozen (requires_grad is False)" if parameters else "it has no parameters"
        raise InputError(f"the model has nothing to train: {what}", hint="dlcli eval and dlcli attack take it as it is")
    if any(parameter.is_complex() for parameter in parameters):
        raise InputError("the model has complex weights, which dlcli cannot train", hint="keep their real and imaginary parts")


def check_loss(loss: Tensor) -> None:
    """Raise InputError if the loss of a step does not depend on weights to train."""
    if not loss.requires_grad:
        hint = "look for detach() or no_grad() in it, or for layers that are frozen"
        raise InputError("the model has nothing to train: its outputs do not depend on its trainable weights", hint=hint)
