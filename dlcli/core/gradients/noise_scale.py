"""How noisy the gradient of a batch is: the gradient noise scale of McCandlish et al. 2018 (arXiv 1812.06162).

The simple noise scale is tr(S) / |G|^2, with the covariance S of the gradients of single examples and their mean G. Batches
much smaller than it are mostly noise, so that larger ones save steps; batches much larger save next to none.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.batches import memory_error_context
from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.precision import float32_precision, to_float64
from dlcli.core.compute.rng import preserved
from dlcli.core.gradients.input_gradients import TOO_LARGE
from dlcli.core.jackknife import POSITIVE, interval
from dlcli.specs.estimates import Estimate, PointEstimate
from dlcli.support.plural import count

_BATCHES = 16
"""Into how many batches the examples are divided: as many values has the jackknife."""
LEAST_EXAMPLES = 5


@dataclass(frozen=True)
class GradientNoise:
    """The gradient of the loss with respect to the weights.

    Attributes:
        norm: Euclidean norm of the mean gradient of the examples.
        scale: The simple noise scale, in examples.
        layers: Root mean square of the mean gradient by the name of the weight; biases and gains are omitted.
    """

    norm: float
    scale: Estimate | PointEstimate
    layers: Mapping[str, float]


@float32_precision("ieee")
def gradient_noise(
    model: nn.Module, x: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor], *, device: torch.device
) -> GradientNoise:
    """Measure the gradient at examples, in evaluation mode, in batches of equal size.

    Args:
        model: The network, on `device`; it is left unchanged, gradients included.
        x: Images, (n, ...), at least 5, in random order.
        y: What the loss takes, (n, ...).
        loss: The mean loss of a batch from outputs and `y`.
        device: Where to compute.

    Returns:
        The figures; of a few examples at the end that do not fill a batch nothing is used.

    Raises:
        ValueError: If there are fewer than 5 examples.
        ResourceError: If memory does not suffice.
    """
    batches = min(_BATCHES, len(x))
    if batches < LEAST_EXAMPLES:
        raise ValueError(count(len(x), "example"))
    weights = {name: one for name, one in model.named_parameters() if one.requires_grad}
    size = len(x) // batches

    def each() -> Iterator[list[Tensor]]:
        for k in range(batches):
            part = slice(k * size, (k + 1) * size)
            value = loss(logits_of(model, to_float(x[part]).to(device)), y[part].to(device))
            yield list(torch.autograd.grad(value, list(weights.values()), materialize_grads=True))

    with memory_error_context(*TOO_LARGE), preserved(), in_mode(model), torch.enable_grad():
        # In two passes, so that no more than two gradients are held at a time.
        total: list[Tensor] = []
        squares = []
        for found in each():
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
            squares.append(_product(found, found))
        products = [_product(found, total) for found in each()]
    mean = {name: one / batches for name, one in zip(weights, total, strict=True)}
    layers = {name: float(to_float64(one).square().mean().sqrt()) for name, one in mean.items() if one.dim() > 1}
    whole = _product(total, total)
    scale = noise_scale(np.array(squares), np.array(products), whole, size)
    return GradientNoise(whole**0.5 / batches, scale, layers)


def noise_scale(
    squares: NDArray[np.float64], products: NDArray[np.float64], whole: float, size: int
) -> Estimate | PointEstimate:
    """The simple noise scale from the gradients of batches, with the interval of the jackknife over batches.

    Args:
        squares: Squared norms of the gradients of batches, (k,).
        products: Their products with the sum of all of them, (k,).
        whole: The squared norm of that sum.
        size: Examples of a batch.

    Returns:
        tr(S) / |G|^2 in examples, both unbiased (McCandlish et al. 2018, appendix A.1); no interval, and a value of infinity,
        where |G|^2 is not above 0.
    """
    k = len(squares)
    value = _ratio(squares.mean(), whole / k**2, k, size)
    without = (whole - 2 * products + squares) / (k - 1) ** 2
    others = (squares.sum() - squares) / (k - 1)
    left = np.array([_ratio(small, big, k - 1, size) for small, big in zip(others, without, strict=True)])
    ends = interval(value, left, POSITIVE) if np.isfinite(value) and np.isfinite(left).all() else None
    if ends is None:
        return PointEstimate(value=value, n=k * size, why="the mean gradient is lost in noise")
    return Estimate(value, *ends, k * size)


def _ratio(small: float, big: float, k: int, size: int) -> float:
    """The noise scale from the mean squared norm of k batches and that of their mean."""
    signal = (k * big - small) / (k - 1)
    noise = size * (small - big) * k / (k - 1)
    return float(max(noise, 0.0) / signal) if signal > 0 else float("inf")


def _product(a: list[Tensor], b: list[Tensor]) -> float:
    return float(sum((to_float64(one) * to_float64(other)).sum() for one, other in zip(a, b, strict=True)))
