"""The loss at given images and its gradient with respect to them: one forward and one backward pass."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.compute.device import fast_dtype
from dlcli.core.compute.forward import differentiate, logits_of, only_given_layout
from dlcli.core.compute.numeric_checks import deferred_checks, require_none
from dlcli.support.errors import InputError, NumericError


@dataclass(frozen=True)
class LossGradient:
    """At n images: the `logits` (n, classes), the `loss` (n,) of each image and its `gradient` (n, ...) w.r.t. the image."""

    logits: Tensor
    loss: Tensor
    gradient: Tensor

    def rows(self, picked: Tensor) -> "LossGradient":
        """Those of the images at the indices `picked` (k,), on the device."""
        return LossGradient(self.logits[picked], self.loss[picked], self.gradient[picked])


@dataclass(frozen=True)
class ForwardMode:
    """How passes are computed: in `dtype` by autocast (None: in the type of the network), on images in `layout`."""

    dtype: torch.dtype | None = None
    layout: torch.memory_format = torch.preserve_format


DEFAULT_MODE = ForwardMode()


def fastest_forward_mode(model: nn.Module, x: Tensor, *, fast: bool) -> ForwardMode:
    """The fastest mode in which `model` runs on images such as `x` (n, ...), n at least 1; bfloat16 only if `fast`.

    The network may be any code: one that takes views of its layers fails on channels_last, another on mixed types. So each
    mode is tried on one image.
    """
    native = fast_dtype(x.device)
    dtype = native if fast and x.dtype == torch.float32 and native != torch.float32 else None
    layout = torch.channels_last if x.dim() == 4 else torch.preserve_format
    modes = (ForwardMode(dtype, layout), ForwardMode(dtype), ForwardMode(layout=layout))
    return next((mode for mode in modes if _runs(model, x[:1], mode)), DEFAULT_MODE)


def _runs(model: nn.Module, x: Tensor, mode: ForwardMode) -> bool:
    try:
        with deferred_checks(), only_given_layout():
            loss_gradient_at(model, x, lambda logits: logits.sum(1), mode=mode)
    except (InputError, NumericError, RuntimeError):
        return False
    return True


def loss_gradient_at(
    model: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor], *, mode: ForwardMode = DEFAULT_MODE
) -> LossGradient:
    """The loss and its gradient at the images.

    Args:
        model: Maps images to logits (n, classes).
        x: Images (n, ...).
        loss: Maps logits to one value per image, (n,).
        mode: How the passes are computed; with a dtype in it, logits and loss are float32 all the same.

    Returns:
        Logits, loss and gradient, none of them with a graph.

    Raises:
        InputError: The model lets no gradient through.
        NumericError: The gradient is NaN.
    """
    images = track_gradients(x, mode)
    with nullcontext() if mode.dtype is None else torch.autocast(x.device.type, dtype=mode.dtype):
        logits = differentiable_logits(model, images)
    logits = logits if mode.dtype is None else logits.float()
    per_image = loss(logits)
    gradient = gradient_of(per_image, images)
    return LossGradient(logits.detach(), per_image.detach(), gradient)


def track_gradients(x: Tensor, mode: ForwardMode) -> Tensor:
    """A copy of the images `x` (n, ...) in the layout of `mode` that autograd differentiates with respect to."""
    return x.detach().clone(memory_format=mode.layout).requires_grad_(True)


def differentiable_logits(model: nn.Module, images: Tensor) -> Tensor:
    """The logits (n, classes) of `images`; raises what `logits_of` raises, and InputError if they do not depend on them."""
    logits = logits_of(model, images)
    if not logits.requires_grad:
        hint = "look for detach(), no_grad() or integer steps in it, or use `method=noise`"
        raise InputError("the model lets no gradient through to the images", hint=hint)
    return logits


def gradient_of(value: Tensor, images: Tensor, *, retain_graph: bool = False) -> Tensor:
    """The gradient (n, ...) of each image's own `value` (n,); raises NumericError if it is NaN."""
    # A sum, not a mean: an image's gradient must not depend on how many others share its batch.
    (found,) = differentiate(value.sum(), [images], retain_graph=retain_graph)
    gradient = torch.zeros_like(images) if found is None else found
    require_none(torch.isnan(gradient).any().long(), _nan_gradient)
    return gradient


def _nan_gradient(_: int) -> NumericError:
    hint = "a square root or a division at 0 in the model is the usual cause"
    return NumericError("the gradient in the images is NaN", hint=hint)
