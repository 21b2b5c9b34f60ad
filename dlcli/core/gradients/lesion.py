"""Lesion study: the accuracy without each block, one at a time, at test time (Veit et al. 2016, arXiv 1605.06431, section 4.1).

A removed residual block is its shortcut. In a network without skips, a layer whose output has the shape of its input
passes that input on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import call_model, in_mode, predict_logits
from dlcli.core.graph.rewire import address_of, rewire
from dlcli.core.graph.skips import find_skips
from dlcli.core.graph.trace import record_trace
from dlcli.core.surgery.base import WEIGHT_LAYERS, deep_copy
from dlcli.core.surgery.operations.residual_scale import Scaled
from dlcli.support.errors import InputError


@dataclass(frozen=True)
class Lesion:
    """Which images are right, (n,) bool, without `block` (a module's path, "" for none); `kind` is block or layer."""

    block: str
    kind: str
    correct: Tensor


def lesions(
    model: nn.Module, x: Tensor, y: Tensor, *, device: torch.device, advance: Callable[[int], None] = lambda done: None
) -> list[Lesion]:
    """Evaluate the whole network, and then the network without each block.

    Args:
        model: The network; it is not changed.
        x: Images (n, ...).
        y: Labels (n,).
        device: Where to run.
        advance: Called with 1 after each block.

    Returns:
        First the whole network, then one entry per block, in the order of the forward pass.

    Raises:
        InputError: If no block or layer can be removed.
    """
    skips = find_skips(record_trace(model, x[:1].to(device)))
    found = [Lesion("", "", _correct(model, x, y, device))]
    if skips:
        for skip in skips:
            cut = deep_copy(model)
            rewire(cut, {address_of(skip.add): Scaled(skip.operand, 0.0)})
            found.append(Lesion(skip.owner or f"sum {skip.add.position}", "block", _correct(cut, x, y, device)))
            advance(1)
        return found
    for name in _passable(model, x[:1].to(device)):
        with _passing(model.get_submodule(name)):
            found.append(Lesion(name, "layer", _correct(model, x, y, device)))
        advance(1)
    if len(found) == 1:
        raise InputError("the network has no block to remove: no skip, and no layer whose output has its input's shape")
    return found


def _correct(model: nn.Module, x: Tensor, y: Tensor, device: torch.device) -> Tensor:
    return predict_logits(model, x, device=device).argmax(1) == y


def _passable(model: nn.Module, sample: Tensor) -> list[str]:
    """The layers with weights, in order, whose output has the shape of their input."""
    seen: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            if args[0].shape == output.shape and name not in seen:
                seen.append(name)

        return hook

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, WEIGHT_LAYERS)]
    handles = [module.register_forward_hook(note(name)) for name, module in layers]
    try:
        with torch.no_grad(), in_mode(model):
            call_model(model, sample)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@contextmanager
def _passing(layer: nn.Module) -> Iterator[None]:
    handle = layer.register_forward_hook(lambda module, args, output: args[0])
    try:
        yield
    finally:
        handle.remove()
