"""Gradients of a network's output with respect to its input or a layer, at many inputs in one backward pass per batch.

With normalisation by frozen statistics examples do not touch each other, so the gradient of the sum over a batch holds that of
each example: no loop over examples, and no vmap, is needed.

The gradient of a network with ReLU or max pooling jumps where the input of a unit crosses 0 or another one becomes the largest.
Where float32 rounds such a value to the other side, the gradient is exact for the units that this pass turned on, and may
differ by some percent from that of another batch size, number of threads or CPU. Neither is wrong, and in float64 all agree.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from dlcli.core.compute.batches import in_batches, memory_error_context
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import differentiate, in_mode, logits_of
from dlcli.core.compute.precision import float32_precision
from dlcli.core.compute.rng import preserved
from dlcli.support.errors import InputError, NumericError, UsageError

_BATCH = 256
TOO_LARGE = (
    "out of memory computing gradients of this network",
    "lower `size`, or with `bn=batch`, which needs all points at once, `points`",
)
"""Message and hint of the error when memory runs out."""


@dataclass(frozen=True)
class Derivative:
    """Which derivative to compute.

    `target` is `logit`, that of output `output`, or `loss`, the cross-entropy with `output` for its label. `layer` is the path
    of a module whose output is derived by, at its first call, "" for the network's input. `norm` says whether batch
    normalisation uses its running statistics (frozen) or those of the batch, which is then all points at once. `of` gives the
    sum over examples of another quantity, from outputs (n, k), in place of `target`.
    """

    target: str
    output: int
    layer: str = ""
    norm: str = "frozen"
    of: Callable[[Tensor], Tensor] | None = None


def input_gradients(model: nn.Module, x: Tensor, derivative: Derivative, *, device: torch.device) -> Tensor:
    """Compute the gradient at each input.

    Args:
        model: The network, on `device`. Its weights, statistics, modes, gradients and random states are not changed.
        x: Inputs (n, ...).
        derivative: What to differentiate, and with respect to what.
        device: Where to run.

    Returns:
        The gradients, flattened: (n, d) on the CPU, in the network's floating type.

    Raises:
        UsageError: If there is no such layer, or it is not used or returns no tensor.
        InputError: If the network has no gradient. Also raises what `logits_of` raises.
        NumericError: If the gradient is NaN or infinite.
        ResourceError: If memory does not suffice for one input, or for all with the statistics of a batch.
    """
    # Statistics of the batch must be those of all points, so they cannot be split.
    whole = derivative.norm == "batch"
    size = len(x) if whole else at_a_time(_BATCH, x, device)
    with (
        memory_error_context(*TOO_LARGE),
        float32_precision("ieee"),
        preserved(),
        in_mode(model),
        batch_statistics(model, derivative.norm),
        _watched(model, derivative.layer) as seen,
        torch.enable_grad(),
    ):

        def gradient(batch: Tensor) -> Tensor:
            seen.clear()
            return _gradient(model, batch.to(device), derivative, seen)

        found = torch.cat(list(in_batches(gradient, x, size=size, least=size if whole else 1, device=device)))
    bad = int((~torch.isfinite(found)).any(1).sum())
    if bad:
        raise NumericError(
            f"the gradient is NaN or infinite at {bad} of {len(x)} points", hint="check the weights and the input"
        )
    return found


def _gradient(model: nn.Module, batch: Tensor, derivative: Derivative, seen: list[Tensor]) -> Tensor:
    # A leaf of its own, so that the caller's tensor gets neither a gradient nor the flag that it needs one.
    given = batch.detach().clone().requires_grad_()
    logits = logits_of(model, given)
    if derivative.layer and not seen:
        raise UsageError(f"`wrt`: the network does not use its layer '{derivative.layer}'", hint="name another layer")
    by = seen[0] if derivative.layer else given
    total = target_sum(logits, derivative)
    grads = differentiate(total, [by]) if total.requires_grad else (None,)
    if grads[0] is None:
        what = f"layer {derivative.layer}" if derivative.layer else "its input"
        further = "a layer nearer to the output" if derivative.layer else "a layer behind such a place"
        hint = f"it may detach, round or run without gradients inside; `wrt=layer:NAME` takes {further}"
        raise InputError(f"the network has no gradient by {what}", hint=hint)
    return grads[0].detach().flatten(1).cpu()


def target_sum(logits: Tensor, derivative: Derivative) -> Tensor:
    """Sum the differentiated quantity over examples, from logits (n, outputs); raises UsageError if there is no such output."""
    if derivative.of is not None:
        return derivative.of(logits)
    if derivative.output >= logits.shape[1]:
        raise UsageError(f"output {derivative.output}: the network has {logits.shape[1]}")
    if derivative.target == "loss":
        labels = torch.full((len(logits),), derivative.output, device=logits.device)
        return cross_entropy(logits, labels, reduction="sum")
    return logits[:, derivative.output].sum()


@contextmanager
def _watched(model: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """The output of the module `layer` at its first call, as a leaf from which the network continues."""
    seen: list[Tensor] = []
    modules = dict(model.named_modules())
    if layer and layer not in modules:
        some = ", ".join([path for path in modules if path][:8])
        raise UsageError(f"`wrt`: the network has no layer '{layer}'", hint=f"there are {some} ...")

    def keep(module: nn.Module, args: object, output: object) -> Tensor | None:
        if seen:
            return None
        if not isinstance(output, Tensor):
            kind = type(output).__name__
            raise UsageError(f"`wrt`: layer '{layer}' gives a {kind}, not a tensor", hint="name a layer inside it or after it")
        # The output becomes a leaf, so that the backward pass stops here. The network continues on a copy, because an operation
        # in place (ReLU) would overwrite the leaf, and the gradient would be that with respect to another value.
        seen.append(output.detach().requires_grad_(output.is_floating_point()))
        return seen[0].clone()

    handle = modules[layer].register_forward_hook(keep) if layer else None
    try:
        yield seen
    finally:
        if handle is not None:
            handle.remove()


@contextmanager
def batch_statistics(model: nn.Module, norm: str) -> Iterator[None]:
    """With `batch`, batch normalisation by the batch's own statistics; the running ones are put back at the end."""
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)] if norm == "batch" else []
    kept = [{name: buffer.clone() for name, buffer in layer.named_buffers()} for layer in layers]
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        with torch.no_grad():
            for layer, buffers in zip(layers, kept, strict=True):
                for name, buffer in layer.named_buffers():
                    buffer.copy_(buffers[name])
