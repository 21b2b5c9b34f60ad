"""Forward passes of networks that may be the user's own code: their outputs are checked and their failures explained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ClassVar

import torch
from torch import Tensor, nn

from dlcli.core.compute.batches import in_batches
from dlcli.core.compute.device import at_a_time, out_of_memory
from dlcli.core.compute.foreign import LOGITS, foreign_calls
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.numeric_checks import require_none
from dlcli.core.compute.precision import float32_precision
from dlcli.support.errors import DlcliError, InputError, MemoryLimitError, NumericError
from dlcli.support.plural import count

_USUAL_SIDES = (8, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 100, 112, 128, 150, 160, 192, 200, 224, 227, 240, 256, 299, 300)
BATCH_SIZE = 256
"""Examples per batch at most, unless the caller chooses."""
_EITHER_LAYOUT = ContextVar("either_layout", default=True)
_SHAPES = ("(n, classes)", "(n, classes, steps)", "(n, classes, height, width)")
"""Of logits, by the number of axes after the classes."""


def logits_of(model: nn.Module, x: Tensor, *, classes: int = 1, axes: int = 0) -> Tensor:
    """Call `model` on images or clips and check its logits: finite, of shape (n, at least `classes`).

    Args:
        model: Any network.
        x: Images or clips, (n, ...).
        classes: The fewest logits of an example.
        axes: How many further axes there are, where each place of an example has logits: 2 for (n, classes, h, w).

    Raises:
        InputError: If it fails on them or returns anything else.
        NumericError: If a logit is not finite, perhaps later inside `deferred_checks`.
    """
    if not len(x):  # some networks fail on none: `view(len(x), -1)` cannot tell the shape
        return logits_of(model, x.new_zeros(1, *x.shape[1:]), classes=classes, axes=axes)[:0]
    logits = call_model(model, x)
    if not isinstance(logits, Tensor):
        hint = (
            f"wrap it so that forward() returns one tensor of logits (n, classes), or a mapping with one of {', '.join(LOGITS)}"
        )
        raise InputError(f"the model returns a {type(logits).__name__}, not a tensor", hint=hint)
    if logits.dim() != 2 + axes or len(logits) != len(x) or not logits.is_floating_point():
        seen = f"{shape_of(logits)} of {type_of(logits)} for {_examples(len(x), _kind(x))} of shape {shape_of(x[0])}"
        raise InputError(f"the model returns {seen}", hint=f"it must return floating logits of shape {_SHAPES[axes]}")
    if logits.shape[1] < classes:
        raise _too_few(model, logits.shape[1], classes)
    # The error comes perhaps much later, and must not keep the images in memory until then.
    n, kind = len(x), _kind(x)
    # NaN and infinity times 0 are NaN: two operations, where `isfinite` and its negation are five.
    wrong = (logits.detach() * 0 != 0).any(1)
    wrong = wrong.flatten(1).any(1) if axes else wrong
    require_none(wrong.sum(), lambda bad: _not_finite(bad, _examples(n, kind)))
    return logits


def _too_few(model: nn.Module, outputs: int, classes: int) -> InputError:
    if any(call.one_logit for call in foreign_calls(model)):
        message = f"the model has one output, which is the logit of two classes, but labels go up to {classes - 1}"
        return InputError(message, hint=f"give it {count(classes, 'output')}, or choose data of two classes, labelled 0 and 1")
    hint = f"give it at least {count(classes, 'output')}, or relabel the data from 0"
    return InputError(f"the model has {count(outputs, 'output')}, but labels go up to {classes - 1}", hint=hint)


def _not_finite(bad: int, of: str) -> NumericError:
    hint = "check its weights and its normalisation"
    return NumericError(f"the model's logits are NaN or infinite for {bad} of {of}", hint=hint)


def predict_logits(model: nn.Module, x: Tensor, *, device: torch.device, batch_size: int = BATCH_SIZE) -> Tensor:
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


def call_model(model: nn.Module, x: Tensor) -> object:
    """Call `model`, which may be any code, on images or clips `x` (n, ...), n at least 1; whatever it returns.

    Raises InputError if it fails on them, also if they are contiguous, and ResourceError if memory does not suffice.
    """
    try:
        with explained_failures(model, x):
            found = _in_either_layout(model, x)
    except Exception as error:
        if isinstance(error, DlcliError) or not out_of_memory(error):
            raise
        raise MemoryLimitError(f"out of memory running the network on {_examples(len(x), _kind(x))}") from error
    return found


def _in_either_layout(model: nn.Module, x: Tensor) -> object:
    try:
        return model(x)
    except RuntimeError as error:
        if not _EITHER_LAYOUT.get() or x.is_contiguous() or out_of_memory(error):
            raise
    return model(x.contiguous())


@contextmanager
def only_given_layout() -> Iterator[None]:
    """Inside the block a network that fails on the layout that it is given fails, so that a mode can be tried."""
    token = _EITHER_LAYOUT.set(False)
    try:
        yield
    finally:
        _EITHER_LAYOUT.reset(token)


@contextmanager
def explained_failures(model: nn.Module, x: Tensor) -> Iterator[None]:
    """Turn what the code of `model` raises inside the block on `x` (n, ...) into InputError, but not a lack of memory."""
    try:
        yield
    except DlcliError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        kind = f"{_kind(x)}s"
        where = " in training mode" if model.training else ""
        message = f"the model fails on {kind} of shape {shape_of(x[0])} ({type_of(x)}){where}: {first}"
        raise InputError(message, hint=_failure_hint(model, x, first)) from error


def differentiate(value: Tensor, inputs: Sequence[Tensor], *, retain_graph: bool = False) -> tuple[Tensor | None, ...]:
    """The gradient of a number `value` with respect to each of `inputs`, computed by a network that may be any code.

    Args:
        value: What to differentiate, a tensor of one element.
        inputs: With respect to what.
        retain_graph: Keep the graph for another pass.

    Returns:
        The gradients, None for an input on which `value` does not depend.

    Raises:
        InputError: If the code of the network fails in its backward pass; a lack of memory is raised as it is.
    """
    try:
        return torch.autograd.grad(value, inputs, retain_graph=retain_graph, allow_unused=True)
    except Exception as error:
        if isinstance(error, DlcliError) or out_of_memory(error):
            raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = "look for operations in place and for autograd functions of its own in the model"
        raise InputError(f"the model fails in its backward pass: {first}", hint=hint) from error


class OpaqueNetwork(nn.Module):
    """A network that is a program and has no layers; `has_gradients` tells whether it can be differentiated."""

    has_gradients: ClassVar[bool] = True


def is_opaque(model: nn.Module) -> bool:
    """Whether `model` holds a program, or TorchScript, on which hooks cannot be registered."""
    return any(isinstance(module, torch.jit.ScriptModule | OpaqueNetwork) for module in model.modules())


def refuse_opaque(model: nn.Module) -> None:
    """Raise InputError if `model` is opaque, see `is_opaque`."""
    if is_opaque(model):
        hint = "give the network itself: a run directory, weights with `arch`, or FILE.py:CALLABLE"
        kinds = "TorchScript, ONNX or torch.export"
        raise InputError(f"the model is a program ({kinds}), whose layers cannot be looked at", hint=hint)


def has_gradients(model: nn.Module) -> bool:
    """Whether `model` can be differentiated."""
    return all(module.has_gradients for module in model.modules() if isinstance(module, OpaqueNetwork))


def _failure_hint(model: nn.Module, x: Tensor, reason: str) -> str:
    """What to do about a network that fails on `x`, by the most likely cause."""
    if "more than 1 value per channel" in reason:
        return "batch normalisation needs two examples or more: raise `batch_size`"
    other = next((p for p in model.parameters() if p.is_floating_point() and p.dtype != x.dtype), None)
    if other is not None:
        return f"its weights are {type_of(other)}: return the network as {type_of(x)}, with .to(torch.{type_of(x)})"
    if x.dim() == 3:
        return "a network of sequences takes (n, channels, t) and returns (n, classes, t) or (n, classes)"
    if x.dim() == 5:
        return "dlcli convert-2d-to-3d turns a network for images into one for clips; `model=besnet18` takes clips"
    sides = _accepted_sides(model, x) if x.dim() == 4 else []
    if sides:
        which = " or ".join(f"{side}x{side}" for side in sides[:3]) + (" or more" if len(sides) > 3 else "")
        return f"it takes images of {which}: resize them with `size={sides[0]}`"
    return "resize the images to the size it was built for with `size=N`, or choose another `model`"


@torch.no_grad()
def _accepted_sides(model: nn.Module, x: Tensor) -> list[int]:
    """The usual heights and widths that a network takes; none if what it fails on is not the size of `x` (n, c, h, w)."""
    with in_mode(model):
        if _takes(model, x.new_zeros(1, *x.shape[1:])):
            return []
        return [side for side in _USUAL_SIDES if _takes(model, x.new_zeros(1, x.shape[1], side, side))]


def _takes(model: nn.Module, x: Tensor) -> bool:
    try:
        model(x)
    except Exception:  # whatever its code raises
        return False
    return True


def _kind(x: Tensor) -> str:
    """What the examples `x` (n, ...) are."""
    return {3: "sequence", 5: "clip"}.get(x.dim(), "image")


def _examples(n: int, kind: str) -> str:
    """A count in words, such as `2 clips` or `1 image`."""
    return count(n, kind)


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
