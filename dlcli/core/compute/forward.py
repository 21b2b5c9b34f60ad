"""Forward passes of networks that may be the user's own code: their outputs are checked and their failures explained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dlcli.core.compute.batches import in_batches
from dlcli.core.compute.device import at_a_time, out_of_memory
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.numeric_checks import require_none
from dlcli.core.compute.precision import float32_precision
from dlcli.support.errors import DlcliError, InputError, NumericError, ResourceError
from dlcli.support.plural import count

# What the code of a network may raise on images of a shape or type that it was not written for.
_MODEL_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


def logits_of(model: nn.Module, x: Tensor, *, classes: int = 1) -> Tensor:
    """Call `model` on the images or clips `x` (n, ...) and check its logits: finite, of shape (n, at least `classes`).

    Raises InputError if it fails on such images or returns anything else, NumericError if a logit is not finite, the latter
    perhaps later inside `deferred_checks`.
    """
    logits = _call(model, x)
    if not isinstance(logits, Tensor):
        hint = "wrap it so that forward() returns one tensor of logits (n, classes)"
        raise InputError(f"the model returns a {type(logits).__name__}, not a tensor", hint=hint)
    if logits.dim() != 2 or len(logits) != len(x) or not logits.is_floating_point():
        seen = f"{shape_of(logits)} of {type_of(logits)} for {_examples(len(x), _are_clips(x))} of shape {shape_of(x[0])}"
        raise InputError(f"the model returns {seen}", hint="it must return floating logits of shape (n, classes)")
    if logits.shape[1] < classes:
        hint = f"give it at least {classes} outputs, or relabel the data from 0"
        raise InputError(f"the model has {logits.shape[1]} outputs, but labels go up to {classes - 1}", hint=hint)
    # The error comes perhaps much later, and must not keep the images in memory until then.
    n, clips = len(x), _are_clips(x)
    # NaN and infinity times 0 are NaN: two operations, where `isfinite` and its negation are five.
    require_none((logits.detach() * 0 != 0).any(1).sum(), lambda bad: _not_finite(bad, _examples(n, clips)))
    return logits


def _not_finite(bad: int, of: str) -> NumericError:
    hint = "check its weights and its normalisation"
    return NumericError(f"the model's logits are NaN or infinite for {bad} of {of}", hint=hint)


def predict_logits(model: nn.Module, x: Tensor, *, device: torch.device, batch_size: int = 256) -> Tensor:
    """Predict the logits of images or clips in evaluation mode, batch by batch.

    Args:
        model: Network on `device`; afterwards each submodule has the mode it had.
        x: Images (n, c, h, w) or clips (n, c, t, h, w), floats in [0, 1] or bytes.
        device: Where the batches are computed.
        batch_size: Examples per batch at most; large ones come in smaller batches on a CPU, and in halves where memory does
            not suffice.

    Returns:
        Logits (n, classes) as float32 on the CPU.

    Raises:
        InputError: If the network fails on such images or returns anything but logits.
        NumericError: If a logit is not finite.
        ResourceError: If memory does not suffice for one example.
    """

    def predict(batch: Tensor) -> Tensor:
        return logits_of(model, to_float(batch).to(device)).float().cpu()

    with float32_precision("ieee"), in_mode(model), torch.no_grad():
        return torch.cat(list(in_batches(predict, x, size=at_a_time(batch_size, x, device), device=device)))


def _call(model: nn.Module, x: Tensor) -> object:
    try:
        return model(x)
    except DlcliError:
        raise
    except _MODEL_FAILURES as error:
        if out_of_memory(error):
            raise ResourceError(f"out of memory running the network on {_examples(len(x), _are_clips(x))}") from error
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        kind = "clips" if _are_clips(x) else "images"
        message = f"the model fails on {kind} of shape {shape_of(x[0])} ({type_of(x)}): {first}"
        raise InputError(message, hint=_failure_hint(model, x)) from error


def _failure_hint(model: nn.Module, x: Tensor) -> str:
    """What to do about a network that fails on `x`, by the most likely cause."""
    other = next((p for p in model.parameters() if p.is_floating_point() and p.dtype != x.dtype), None)
    if other is not None:
        return f"its weights are {type_of(other)}: return the network as {type_of(x)}, with .to(torch.{type_of(x)})"
    if _are_clips(x):
        return "dlcli convert-2d-to-3d turns a network for images into one for clips; `model=besnet18` takes clips"
    return "resize the images to the size it was built for with `size=N`, or choose another `model`"


def _are_clips(x: Tensor) -> bool:
    return x.dim() == 5


def _examples(n: int, clips: bool) -> str:
    """A count in words, such as `2 clips` or `1 image`."""
    return count(n, "clip" if clips else "image")


@contextmanager
def in_mode(model: nn.Module, *, training: bool = False) -> Iterator[None]:
    """Set evaluation (or training) mode inside the block; afterwards each submodule has the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def shape_of(tensor: Tensor) -> str:
    """The shape for messages, such as `3x32x32`."""
    return "x".join(map(str, tensor.shape)) or "a single number"


def type_of(tensor: Tensor) -> str:
    """The dtype for messages, such as `float32`."""
    return str(tensor.dtype).removeprefix("torch.")
