"""The gradients of networks along lines, in figures: the core of `dlcli probe-gradients`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.precision import float32_precision
from dlcli.core.gradients.autocorrelation import Correlation, correlate, mean_cosine, verdict
from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.gradients.input_paths import InputPath
from dlcli.core.stats import mean_correlation
from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.probe_gradients import GradientRow, ProbeGradientsConfig

LAGS = (1, 5, 15)


@dataclass(frozen=True)
class PathGradients:
    """What was found along one line: None for the correlation where the function is linear; `step` in input units."""

    found: Correlation | None
    cosine: float | None
    step: float


def gradients_along(
    model: nn.Module,
    path: InputPath,
    config: ProbeGradientsConfig,
    device: torch.device,
    derivative: Derivative | None = None,
) -> PathGradients:
    """Compute gradients along a path, of the output that is largest where it begins.

    Args:
        model: The network, on `device`.
        path: The inputs.
        config: What to differentiate, and by what.
        device: Where to compute.
        derivative: What to differentiate instead.

    Returns:
        Their autocorrelation and the mean cosine of neighbours.
    """
    like = next((p for p in model.parameters() if p.is_floating_point()), path.x)
    x = path.x.to(like.dtype)
    derivative = derivative or derivative_at(model, x, config, device)
    gradients = input_gradients(model, x, derivative, device=device).double().numpy()
    return PathGradients(correlate(gradients), mean_cosine(gradients), path.step)


def derivative_at(model: nn.Module, x: torch.Tensor, config: ProbeGradientsConfig, device: torch.device) -> Derivative:
    """What to differentiate: the output that is largest for the first input.

    Args:
        model: The network, on `device`.
        x: Inputs, (n, ...).
        config: Names the target, the layer and the treatment of batch normalisation.
        device: Where to compute.

    Returns:
        The derivative.
    """
    with float32_precision("ieee"), torch.no_grad(), in_mode(model):
        output = int(logits_of(model, x[:1].to(device))[0].argmax())
    return Derivative(config.target, output, config.layer, config.bn)


def gradient_row(network: str, lines: Sequence[PathGradients], *, points: int, neighbour: float | None) -> GradientRow:
    """Average the figures of several paths.

    Args:
        network: Name in the row.
        lines: One entry per path.
        points: Points per path.
        neighbour: Median distance to the nearest neighbour, None without data.

    Returns:
        Means with 95% intervals.
    """
    bent = [line for line in lines if line.found is not None]
    curves = [line.found.curve for line in bent if line.found is not None]
    acf = {lag: _mean([float(curve[lag]) for curve in curves if lag < len(curve)]) for lag in LAGS}
    steps = _whole([line.found.length if line.found else None for line in bent])
    length = _whole([line.found.length * line.step if line.found and line.found.length else None for line in bent])
    cosines = [line.cosine for line in lines if line.cosine is not None]
    return GradientRow(
        network=network,
        n=len(lines),
        points=points,
        acf1=acf[1],
        acf5=acf[5],
        acf15=acf[15],
        slope=float(np.mean([line.found.slope for line in bent if line.found])) if bent else None,
        length_steps=steps,
        length=length,
        length_share=length / neighbour if length is not None and neighbour else None,
        cosine=float(np.mean(cosines)) if cosines else None,
        verdict=_verdict(acf[1], points),
    )


def _verdict(first: Estimate | None, points: int) -> str:
    if first is None:
        return verdict(None, points)
    return verdict(first.value, points, (first.high - first.low) / 2 if first.n > 1 else None)


def mean_curve(lines: Sequence[PathGradients]) -> list[Difference] | None:
    """The mean autocorrelation by lag over the lines that are not linear, with its interval where there are several."""
    curves = [line.found.curve for line in lines if line.found is not None]
    if not curves:
        return None
    if len(curves) == 1:
        return [Difference(value, value, value, 1) for value in curves[0].tolist()]
    return [mean_correlation(values) for values in zip(*curves, strict=True)]


def _mean(values: list[float]) -> Estimate | None:
    if not values:
        return None
    if len(values) == 1:
        return Estimate(values[0], -1.0, 1.0, 1)
    found = mean_correlation(values)
    return Estimate(found.value, found.low, found.high, found.n)


def _whole(values: list[float | None]) -> float | None:
    """The mean of lengths, None if there are none or one is beyond what was looked at."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
