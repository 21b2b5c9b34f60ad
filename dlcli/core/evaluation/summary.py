"""Summarize a network: layers, shapes, parameters, multiply-adds and receptive field."""

from collections.abc import Callable
from contextlib import ExitStack
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode, refuse_scripted
from dlcli.core.compute.rng import preserved
from dlcli.core.evaluation.receptive_field import FieldTracker, effective_field
from dlcli.specs.summary import LayerSummary, Summary

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_WINDOWED = (
    *_CONVOLUTIONS,
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
)


def summarise(model: nn.Module, x: Tensor) -> Summary:
    """Summarize the layers of `model` in the order in which it calls them, in evaluation mode, for images `x` (n, c, h, w).

    `x` is on the device of `model`. A layer is a module without submodules, or with parameters of its own; one that is called
    twice is listed once, with the multiply-adds of both calls. Multiply-adds are counted by hooks on convolutions and linear
    layers: functional calls, attention, norms, activations, pooling and biases count 0.
    """
    with in_mode(model):
        layers, field = _watch(model, x[:1])
        effective = effective_field(model, x)
    parameters = list(model.parameters())  # a shared parameter is listed once
    return Summary(
        input=tuple(x.shape[1:]),
        layers=tuple(layers),
        parameters=sum(one.numel() for one in parameters),
        trainable=sum(one.numel() for one in parameters if one.requires_grad),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        receptive_field=field,
        effective_field=effective,
    )


def _watch(model: nn.Module, x: Tensor) -> tuple[list[LayerSummary], tuple[int, ...]]:
    refuse_scripted(model)
    found: dict[str, LayerSummary] = {}
    with ExitStack() as hooks, preserved(), torch.no_grad(), FieldTracker(x) as tracker:
        for name, module in model.named_modules():
            if not list(module.children()) or list(module.parameters(recurse=False)):
                hook = module.register_forward_hook(_hook(name, found, tracker))
                hooks.callback(hook.remove)
        call_model(model, x)
        last = tuple(reach.size for reach in tracker.field)
    return list(found.values()), last


def _hook(name: str, found: dict[str, LayerSummary], tracker: FieldTracker) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        tensor = output if isinstance(output, Tensor) else None
        earlier = found[name].multiply_adds if name in found else 0
        found[name] = LayerSummary(
            name=name or "(the network itself)",
            kind=type(module).__name__,
            output=() if tensor is None else tuple(tensor.shape[1:]),
            parameters=sum(one.numel() for one in module.parameters(recurse=False)),
            multiply_adds=earlier + (0 if tensor is None else _multiply_adds(module, inputs, tensor)),
            receptive_field=_field(module, tensor, tracker),
        )

    return hook


def _field(module: nn.Module, output: Tensor | None, tracker: FieldTracker) -> tuple[int, ...]:
    field = tracker.field_of(output) if output is not None and isinstance(module, _WINDOWED) else None
    return tuple(reach.size for reach in field or ())


def _multiply_adds(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> int:
    """For a batch of one: each output of a convolution or a linear layer costs its fan-in."""
    if isinstance(module, _CONVOLUTIONS):
        return output.numel() * int(module.weight[0].numel())
    if isinstance(module, _TRANSPOSED):
        return int(inputs[0].numel()) * module.out_channels // module.groups * prod(module.kernel_size)
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    return 0
