"""Integrated gradients along the line from the baseline to the image (Sundararajan et al. 2017, arXiv 1703.01365)."""

import torch
from torch import Tensor, nn

from dlcli.core.compute.forward import has_gradients, logits_of
from dlcli.core.explain.base import (
    ExplainSettings,
    Maps,
    Target,
    check_images,
    evaluated,
    gradient,
    parts_of,
    target_values,
)
from dlcli.core.explain.baselines import baseline
from dlcli.support.errors import InputError

_HINT = "`explain=occlusion` needs no gradients"


def explain(model: nn.Module, x: Tensor, target: Target, settings: ExplainSettings) -> Maps:
    """A pixel has the integral of its gradient times its distance to the baseline, summed over channels.

    The attributions of an image add up to the target of the image minus that of the baseline, up to the error of the
    integral, which the midpoint rule computes; the note gives that error.

    Args:
        model: The network; it runs in evaluation mode.
        x: Images (n, c, h, w) in [0, 1], on the CPU.
        target: The number that is explained.
        settings: `baseline`, `steps` and `device` are used.

    Returns:
        The maps.

    Raises:
        InputError: If the network has no gradient or fails on the images, or they are clips of video.
        ResourceError: If memory does not suffice for one image.
    """
    check_images(x)
    if not has_gradients(model):
        raise InputError("the network is a program without gradients", hint=_HINT)
    start, every = baseline(x, settings.baseline), torch.arange(len(x))
    images = every.repeat_interleave(settings.steps)
    total = torch.zeros(x.shape, dtype=torch.float64)

    def between(numbers: Tensor) -> Tensor:
        share = ((numbers % settings.steps + 0.5) / settings.steps)[:, None, None, None]
        return torch.lerp(start[images[numbers]], x[images[numbers]], share)

    def part(begin: int, end: int) -> Tensor:
        given = between(torch.arange(begin, end)).to(settings.device).requires_grad_()
        value = target(logits_of(model, given), images[begin:end])
        return gradient(value, given, _HINT).cpu().double()

    with evaluated(model), torch.enable_grad():
        done = 0
        for found in parts_of(between, settings.device).map(part, len(images)):
            total.index_add_(0, images[done : done + len(found)], found)
            done += len(found)
    signed = ((x - start) * total / settings.steps).sum(1)
    with evaluated(model):
        gaps = [target_values(model, given.__getitem__, every, target, settings.device) for given in (x, start)]
    return Maps(signed.float(), signed.abs().float(), _completeness(signed.sum((1, 2)), gaps[0] - gaps[1]))


def _completeness(sums: Tensor, gaps: Tensor) -> str:
    """How well the attributions add up; both (n,)."""
    mean = float(gaps.abs().mean())
    worst = float((sums - gaps).abs().max()) / mean if mean > 0 else 0.0
    return (
        "The attributions of an image add up to its target minus that of the baseline, up to "
        f"{100 * worst:.2g}% of the mean of that difference."
    )
