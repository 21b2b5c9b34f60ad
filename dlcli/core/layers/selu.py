"""Self-normalising activations: the scaled ELU whose layers keep any given mean and variance, and dropout that fits it.

Klambauer et al. 2017 (arXiv 1706.02515) solve for mean 0 and variance 1; here the same equations are solved for any pair.
A unit sums inputs of mean mu and variance nu with weights of sum omega and square sum tau, so it sees z ~ N(m, v) with
m = mu * omega and v = nu * tau, and f(z) = lam * z above 0, lam * alpha * (e^z - 1) below.
"""

from dataclasses import dataclass
from math import exp, isfinite, sqrt
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import log_ndtr, ndtr
from torch import Tensor, nn
from torch.nn.functional import elu

from dlcli.support.errors import UsageError


@dataclass(frozen=True)
class FixedPoint:
    """`alpha` and `lam` that map (mean, variance) to itself.

    `jacobian` is [[dm/dm, dm/dv], [dv/dm, dv/dv]] of that map there; the point attracts if the `radius` of its spectrum is
    below 1.
    """

    mean: float
    variance: float
    alpha: float
    lam: float
    jacobian: tuple[tuple[float, float], tuple[float, float]]
    radius: float

    @property
    def saturation(self) -> float:
        """What f tends to at minus infinity."""
        return -self.lam * self.alpha


def solve_fixed_point(mean: float, variance: float, *, omega: float = 0.0, tau: float = 1.0) -> FixedPoint:
    """The scaled ELU with fixed point (mean, variance); of two, the one with the smaller spectral radius.

    Args:
        mean: Of the activations.
        variance: Of the activations, above 0.
        omega: Sum of the weights of a unit.
        tau: Sum of their squares, above 0.

    Returns:
        The activation and its fixed point.

    Raises:
        UsageError: If the variance is not above 0, or no alpha above 0 and lam above 0 solve the equations.
    """
    if not (isfinite(mean) and isfinite(variance) and variance > 0 and tau > 0):
        raise UsageError(f"mean {mean:g} and variance {variance:g}: the variance must be above 0")
    found = [_at(mean, variance, omega, tau, alpha, lam) for alpha, lam in _solutions(mean, variance, omega, tau)]
    if not found:
        raise UsageError(f"no scaled ELU has mean {mean:g} and variance {variance:g} for its fixed point")
    return min(found, key=lambda point: point.radius)


class Moments(NamedTuple):
    """Mean and variance of activations."""

    mean: float
    variance: float


def next_moments(mean: float, variance: float, alpha: float, lam: float, *, omega: float = 0.0, tau: float = 1.0) -> Moments:
    """The moments after one more layer (Klambauer et al., equations 4 and 5).

    Args:
        mean: Of the activations before it.
        variance: Of the activations before it.
        alpha: Of the scaled ELU.
        lam: Of the scaled ELU.
        omega: Sum of the weights of a unit.
        tau: Sum of their squares.

    Returns:
        The moments.
    """
    p = _HalfLineMoments(mean * omega, variance * tau)
    first = lam * (p.linear + alpha * p.negative)
    return Moments(first, lam**2 * (p.linear2 + alpha**2 * p.negative2) - first**2)


class _HalfLineMoments:
    """Moments of z ~ N(m, v) over the half-lines: `linear` E[z; z > 0], `negative` E[e^z - 1; z < 0], squares with a 2."""

    def __init__(self, m: float, v: float) -> None:
        s = sqrt(v)
        density = exp(-m * m / (2 * v)) / sqrt(2 * np.pi)
        self.above, below = float(ndtr(m / s)), float(ndtr(-m / s))
        # Products of a huge exponential and a tiny tail are taken as one exponential of a sum.
        self.e1 = float(np.exp(m + v / 2 + log_ndtr(-(m + v) / s)))
        self.e2 = float(np.exp(2 * m + 2 * v + log_ndtr(-(m + 2 * v) / s)))
        self.at_zero = density / s
        self.linear = m * self.above + s * density
        self.linear2 = (m * m + v) * self.above + m * s * density
        self.negative = self.e1 - below
        self.negative2 = self.e2 - 2 * self.e1 + below


def _solutions(mean: float, variance: float, omega: float, tau: float) -> list[tuple[float, float]]:
    """E f = mean gives lam = mean / (A + alpha B); put into E f^2 = variance + mean^2 it leaves a quadratic in alpha."""
    p = _HalfLineMoments(mean * omega, variance * tau)
    second = variance + mean**2
    quadratic = (
        mean**2 * p.negative2 - second * p.negative**2,
        -2 * second * p.linear * p.negative,
        mean**2 * p.linear2 - second * p.linear**2,
    )
    if mean == 0.0:  # then it is a square: alpha = -A / B, and the scale follows from the second moment alone
        alphas = [-p.linear / p.negative]
    else:
        alphas = [float(root.real) for root in np.roots(quadratic) if abs(root.imag) < 1e-12]
    scales = [(alpha, sqrt(second / (p.linear2 + alpha**2 * p.negative2))) for alpha in alphas if alpha > 0]
    return [(alpha, lam) for alpha, lam in scales if mean * (p.linear + alpha * p.negative) >= 0]


def _at(mean: float, variance: float, omega: float, tau: float, alpha: float, lam: float) -> FixedPoint:
    """With the Jacobian, by dE[g]/dm = E[g'] and dE[g]/dv = E[g'']/2 for z ~ N(m, v) (Price 1958)."""
    p = _HalfLineMoments(mean * omega, variance * tau)
    value = lam * (p.linear + alpha * p.negative)
    f1 = lam * (p.above + alpha * p.e1)
    f2 = lam * ((1 - alpha) * p.at_zero + alpha * p.e1)
    g1 = 2 * lam**2 * (p.linear + alpha**2 * (p.e2 - p.e1))
    g2 = lam**2 * (2 * p.above + alpha**2 * (4 * p.e2 - 2 * p.e1))
    jacobian = ((omega * f1, tau * f2 / 2), (omega * (g1 - 2 * value * f1), tau * (g2 / 2 - value * f2)))
    radius = float(np.abs(np.linalg.eigvals(np.array(jacobian))).max())
    return FixedPoint(mean, variance, alpha, lam, jacobian, radius)


class ScaledELU(nn.Module):
    """lam * elu(x, alpha), on tensors of any shape."""

    def __init__(self, alpha: float, lam: float) -> None:
        super().__init__()
        self.alpha, self.lam = alpha, lam

    def forward(self, x: Tensor) -> Tensor:
        """The activation, in the shape of `x`."""
        return self.lam * elu(x, self.alpha)

    def extra_repr(self) -> str:
        """For print(model)."""
        return f"alpha={self.alpha:.6g}, lam={self.lam:.6g}"


class AlphaDropout(nn.Module):
    """Dropout to the saturation value, then an affine map that restores the mean and variance of `point`.

    Klambauer et al. 2017, section "New Dropout Technique", for any fixed point: of q = 1 - p kept values of mean mu and
    variance nu and p of value s, the mean is q mu + p s and the variance q nu + p q (mu - s)^2. `whole_maps` drops
    channels of (n, c, ...) rather than values.
    """

    def __init__(self, p: float, point: FixedPoint, *, whole_maps: bool = False) -> None:
        super().__init__()
        self.p, self.point, self.whole_maps = p, point, whole_maps

    def forward(self, x: Tensor) -> Tensor:
        """In the shape of `x`; the identity in evaluation mode."""
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.full_like(x, self.point.mean)
        shape = (*x.shape[:2], *[1] * (x.dim() - 2)) if self.whole_maps else x.shape
        kept = torch.empty(shape, device=x.device).bernoulli_(1 - self.p).to(x.dtype)
        a, b = self.affine()
        return a * (x * kept + self.point.saturation * (1 - kept)) + b

    def affine(self) -> tuple[float, float]:
        """The affine map that restores mean and variance after dropping.

        Returns:
            The scale and the shift.
        """
        q, point = 1 - self.p, self.point
        low = point.saturation
        a = sqrt(point.variance / (q * point.variance + self.p * q * (point.mean - low) ** 2))
        return a, point.mean - a * (q * point.mean + self.p * low)

    def extra_repr(self) -> str:
        """For print(model)."""
        return f"p={self.p:g}, mean={self.point.mean:g}, variance={self.point.variance:g}"
