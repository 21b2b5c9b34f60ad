"""Whether a changed network computes what it did: both run in float64, on the sample and on random inputs."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from dlcli.core.compute.device import out_of_memory
from dlcli.core.compute.forward import in_mode
from dlcli.core.compute.precision import float64_device
from dlcli.core.compute.rng import preserved
from dlcli.core.surgery.base import deep_copy
from dlcli.core.surgery.growth.layers import has_units
from dlcli.support.errors import DlcliError, InputError, MemoryLimitError

TOLERANCE = 1e-12
"""The relative difference up to which two networks are taken for the same in float64."""

_INPUTS = 3


def float64_copy(model: nn.Module) -> nn.Module:
    """A deep copy in float64, on the CPU if its device has none; `model` has at least one parameter or buffer."""
    done = deep_copy(model)
    device = next((values.device for values in (*done.parameters(), *done.buffers())), torch.device("cpu"))
    return done.to(float64_device(device)).double()


def as_before(done: nn.Module, model: nn.Module) -> nn.Module:
    """`done`, in place, with the types and devices of the parameters and buffers of the same names in `model`."""
    parameters, buffers = model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
    old: dict[str, Tensor] = {**dict(parameters), **dict(buffers)}
    made: dict[int, Tensor] = {}
    for path, module in done.named_modules():
        for name, values in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            like = old[f"{path}.{name}" if path else name]
            # A new parameter, because the memory of one cannot be replaced by that of another kind of device.
            setattr(module, name, made.setdefault(id(values), _like(values, like)))
    return done


def _like(values: Tensor, like: Tensor) -> Tensor:
    moved = values.detach().to(like)
    return nn.Parameter(moved, requires_grad=values.requires_grad) if isinstance(values, nn.Parameter) else moved


def probes(sample: Tensor, like: nn.Module) -> list[Tensor]:
    """`sample` (1, ...) and random inputs of its shape, between 0 and 1 and normal, the same each time, for `like`."""
    device = next((values.device for values in (*like.parameters(), *like.buffers())), sample.device)
    draws = torch.Generator().manual_seed(0)
    random = [torch.rand(sample.shape, generator=draws), torch.randn(sample.shape, generator=draws)]
    return [x.to(device, torch.float64) for x in (sample, *random)]


def relative_difference(before: nn.Module, after: nn.Module, inputs: Sequence[Tensor]) -> float:
    """The largest difference of outputs of two networks in evaluation mode, over the largest output; infinite for NaN."""
    difference = scale = 0.0
    for one, other in zip(_outputs(before, inputs), _outputs(after, inputs), strict=True):
        if one.shape != other.shape:
            return float("inf")
        scale = max(scale, float(one.abs().max()))
        difference = max(difference, float((one - other).abs().nan_to_num(nan=float("inf")).max()))
    return difference / scale if scale else difference


def layer_outputs(model: nn.Module, x: Tensor) -> list[tuple[str, Tensor]]:
    """The path and the output of each call of a layer that can grow, in order, in evaluation mode on `x`."""
    found: list[tuple[str, Tensor]] = []
    handles = [
        module.register_forward_hook(lambda _, args, output, path=path: found.append((path, output.clone())), prepend=True)
        for path, module in model.named_modules()
        if has_units(module)
    ]
    try:
        _outputs(model, [x])
    finally:
        for handle in handles:
            handle.remove()
    return found


def scientific(difference: float) -> str:
    """For notes, such as `3e-16`."""
    return f"{difference:.0e}" if difference else "0"


def parameter_count(model: nn.Module) -> int:
    """How many numbers there are to train."""
    return sum(parameter.numel() for parameter in model.parameters())


def _outputs(model: nn.Module, inputs: Sequence[Tensor]) -> list[Tensor]:
    with preserved(), torch.no_grad(), in_mode(model):
        leaves = tree_leaves([_run(model, x.clone()) for x in inputs])
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.numel()]


def _run(model: nn.Module, x: Tensor) -> Any:
    try:
        return model(x)
    except DlcliError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise MemoryLimitError("the memory does not hold the network in float64") from error
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"the changed network fails in float64: {first}") from error
