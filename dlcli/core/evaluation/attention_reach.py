"""Which attention layers see the whole image, found by changing its corners."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves

from dlcli.core.compute.forward import call_model
from dlcli.core.compute.rng import preserved

_SHARE = 16
"""A corner is this part of each side: a stride may pass over the last rows and columns."""

_ALL = 0.99
"""This share of the outputs has to change: a few round to what they were."""


def layers_that_see_all(model: nn.Module, x: Tensor, layers: Sequence[str]) -> set[str]:
    """Those of `layers` whose every output depends on both the first and the last corner of the image `x`.

    Args:
        model: Network in evaluation mode.
        x: An image (1, c, h, w) or a clip (1, c, t, h, w) on the device of the network.
        layers: Names of modules.

    Returns:
        Their names. A layer that looks through windows is not among them, unless its input saw everything before.
    """
    plain, first, last = (_outputs(model, image, layers) for image in (x, _changed(x, last=False), _changed(x, last=True)))
    return {name for name in layers if all(_all_differ(plain.get(name), other.get(name)) for other in (first, last))}


def _outputs(model: nn.Module, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    with ExitStack() as stack, preserved(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        for name in layers:
            stack.callback(model.get_submodule(name).register_forward_hook(_record(name, found)).remove)
        call_model(model, x)
    return found


def _record(name: str, found: dict[str, Tensor]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        tensor = next((one for one in tree_leaves(output) if isinstance(one, Tensor)), None)
        if tensor is not None:
            found.setdefault(name, tensor.clone())

    return hook


def _changed(x: Tensor, *, last: bool) -> Tensor:
    """`x`, its values in the first or the last corner turned over in [0, 1]."""
    sides = [max(1, side // _SHARE) for side in x.shape[2:]]
    corner = (..., *(slice(-side, None) if last else slice(0, side) for side in sides))
    changed = x.clone()
    changed[corner] = 1 - changed[corner]
    return changed


def _all_differ(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None or one.shape != other.shape:
        return False
    return float((one != other).float().mean()) >= _ALL
