"""Summarize a network: layers, shapes, parameters, multiply-adds and receptive field."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode, refuse_opaque
from dlcli.core.compute.rng import preserved
from dlcli.core.evaluation.attention_reach import layers_that_see_all
from dlcli.core.evaluation.multiply_adds import counting
from dlcli.core.evaluation.receptive_field import FieldTracker, effective_field
from dlcli.specs.summary import LayerSummary, Summary

_WINDOWED = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
)


def summarise(model: nn.Module, x: Tensor) -> Summary:
    """Summarize the layers of `model` in the order in which it calls them, in evaluation mode, for images `x` (n, c, h, w).

    `x` is on the device of `model`. A layer is a module without submodules, or one with parameters or multiply-adds that are
    not those of its submodules; one that is called twice is listed once, with the multiply-adds of both calls. Submodules
    whose weights a layer uses without calling them count with the layer. Multiply-adds are those of all convolutions and
    matrix products, attention and functional calls included (see `counting`).
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
    refuse_opaque(model)
    with ExitStack() as stack, preserved(), torch.no_grad(), counting() as total, FieldTracker(x) as tracker:
        watch = _Watch(tracker, total)
        for name, module in model.named_modules():
            for handle in (
                module.register_forward_pre_hook(watch.enter),
                module.register_forward_hook(watch.leave(name), always_call=True),
            ):
                stack.callback(handle.remove)
        call_model(model, x)
        last = tuple(reach.size for reach in tracker.field)
    _add_uncalled(model, watch)
    attending = [name for name in watch.attending if name in watch.found]
    everything = layers_that_see_all(model, x, attending) if attending else set()
    for name in attending:
        reach = "whole image" if name in everything else "part of image"
        watch.found[name] = replace(watch.found[name], attends_to=reach)
    return [replace(layer, name=name or "(the network itself)") for name, layer in watch.found.items()], last


class _Watch:
    """Hooks that write down each layer.

    What a module costs is what is counted between its call and its return, less what its submodules cost.
    """

    def __init__(self, tracker: FieldTracker, total: Callable[[], int]) -> None:
        self.found: dict[str, LayerSummary] = {}
        self.attending: dict[str, None] = {}
        self.called: set[str] = set()
        self._tracker, self._total = tracker, total
        self._before: list[tuple[int, int]] = []
        self._inner: list[Counter[str]] = [Counter()]

    def enter(self, module: nn.Module, inputs: Any) -> None:
        """Note the totals at a module's call."""
        self._before.append((self._total(), self._tracker.attentions))
        self._inner.append(Counter())

    def leave(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        """A hook that writes down the module of this name when it returns."""

        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            total, attentions = self._before.pop()
            cost, attended = self._total() - total, self._tracker.attentions - attentions
            inner = self._inner.pop()
            self._inner[-1].update(cost=cost, attended=attended)
            self.called.add(name)
            own, tensor = cost - inner["cost"], output if isinstance(output, Tensor) else None
            if attended > inner["attended"]:
                self.attending[name] = None
            if own or not list(module.children()) or list(module.parameters(recurse=False)):
                self._write(name, module, tensor, own)

        return hook

    def _write(self, name: str, module: nn.Module, output: Tensor | None, own: int) -> None:
        self.found[name] = LayerSummary(
            name=name,
            kind=type(module).__name__,
            output=() if output is None else tuple(output.shape[1:]),
            parameters=_own_parameters(module),
            multiply_adds=own + (self.found[name].multiply_adds if name in self.found else 0),
            receptive_field=_field(module, output, self._tracker),
        )


def _own_parameters(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters(recurse=False))


def _field(module: nn.Module, output: Tensor | None, tracker: FieldTracker) -> tuple[int, ...]:
    field = tracker.field_of(output) if output is not None and isinstance(module, _WINDOWED) else None
    return tuple(reach.size for reach in field or ())


def _add_uncalled(model: nn.Module, watch: _Watch) -> None:
    """Count the parameters of modules that are not called, such as `out_proj` of attention, with the layer that holds them."""
    for name, module in model.named_modules():
        holder = name.rpartition(".")[0]
        if name and name not in watch.called and holder in watch.found:
            layer = watch.found[holder]
            watch.found[holder] = replace(layer, parameters=layer.parameters + _own_parameters(module))
