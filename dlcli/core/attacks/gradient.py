"""How a loss rises at given images: one forward and one backward pass."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.compute.device import fast_dtype
from dlcli.core.compute.forward import logits_of
from dlcli.support.errors import InputError, NumericError


@dataclass(frozen=True)
class Slope:
    """At n images: the `logits` (n, classes), each image's own `loss` (n,) and its `gradient` in the image (n, ...)."""

    logits: Tensor
    loss: Tensor
    gradient: Tensor

    def rows(self, picked: Tensor) -> "Slope":
        """Those of the images that `picked`, a mask (n,), picks."""
        return Slope(self.logits[picked], self.loss[picked], self.gradient[picked])


@dataclass(frozen=True)
class Way:
    """How passes are computed: in `dtype` by autocast (None: in the type of the network), on images in `layout`."""

    dtype: torch.dtype | None = None
    layout: torch.memory_format = torch.preserve_format


PLAIN = Way()


def quickest_way(model: nn.Module, x: Tensor, *, fast: bool) -> Way:
    """The quickest way that `model` can go on images such as `x` (n, ...), n at least 1; bfloat16 only if `fast`.

    A network may be anybody's code: one that takes views of its layers fails on channels_last, another fails on mixed
    types. So each way is tried on one image.
    """
    found = fast_dtype(x.device)
    dtype = found if fast and x.dtype == torch.float32 and found != torch.float32 else None
    layout = torch.channels_last if x.dim() == 4 else torch.preserve_format
    ways = (Way(dtype, layout), Way(dtype), Way(layout=layout))
    return next((way for way in ways if _goes(model, x[:1], way)), PLAIN)


def _goes(model: nn.Module, x: Tensor, way: Way) -> bool:
    try:
        slope_at(model, x, lambda logits: logits.sum(1), way=way)
    except (InputError, NumericError, RuntimeError):
        return False
    return True


def slope_at(model: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor], *, way: Way = PLAIN) -> Slope:
    """The slope of `loss`, which maps logits to one value an image, at the images `x` (n, ...).

    With a type in `way`, logits and loss are float32. Raises InputError if the model lets no gradient through, NumericError
    if the gradient is NaN.
    """
    dtype = way.dtype
    images = x.detach().clone(memory_format=way.layout).requires_grad_(True)
    with nullcontext() if dtype is None else torch.autocast(x.device.type, dtype=dtype):
        logits = logits_of(model, images)
    if not logits.requires_grad:
        hint = "look for detach(), no_grad() or integer steps in it, or use --method noise"
        raise InputError("the model lets no gradient through to the images", hint=hint)
    logits = logits if dtype is None else logits.float()
    each = loss(logits)
    # A sum, not a mean: an image's gradient must not depend on how many others share its batch.
    (gradient,) = torch.autograd.grad(each.sum(), images, allow_unused=True, materialize_grads=True)
    if bool(torch.isnan(gradient).any()):
        hint = "a square root or a division at 0 in the model is the usual cause"
        raise NumericError("the gradient in the images is NaN", hint=hint)
    return Slope(logits.detach(), each.detach(), gradient)
