"""What a pixel is set to when it is hidden, so that the network cannot see it."""

from collections.abc import Callable

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

_BLUR = 0.05
"""Standard deviation of the blur as a share of the longer side: 11 of 224 pixels (Fong and Vedaldi 2017: 10)."""
_GREY = 0.5


def baseline(x: Tensor, name: str) -> Tensor:
    """Images without their content: the mean of each channel of each image, the image blurred, or grey.

    Args:
        x: Images (n, c, h, w) in [0, 1], on the CPU.
        name: Which of `BASELINES`.

    Returns:
        Images of the same shape.
    """
    return BASELINES[name](x)


def _mean(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True).expand_as(x)


def _blur(x: Tensor) -> Tensor:
    width = max(1.0, _BLUR * max(x.shape[2:]))
    return torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, width, width), mode="nearest"))


def _grey(x: Tensor) -> Tensor:
    return torch.full_like(x, _GREY)


BASELINES: dict[str, Callable[[Tensor], Tensor]] = {"mean": _mean, "blur": _blur, "grey": _grey}
"""The baselines by the names they have on the command line."""
