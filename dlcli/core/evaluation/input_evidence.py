"""What tells how a trained network was fed: the statistics in its batch normalisations, or how it predicts.

Batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167, section 3.1) keeps the mean and variance of its inputs in
training. Images that are fed in the same way give the first of these layers the same statistics again.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.rng import preserved
from dlcli.core.evaluation.multiply_adds import counting
from dlcli.support.errors import DlcliError

_LAYERS = 3
"""How many batch normalisations are compared: the first, which are the closest to the images, and the cheapest to reach."""
_MOST = 10.0
"""The divergence at which a channel counts as entirely different."""
_TEMPERATURES = torch.logspace(-3, 2, 61)
_BN_TYPES = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class _EnoughError(Exception):
    """Ends a forward pass once all layers that are compared were reached."""


@dataclass(frozen=True)
class LayerInputs:
    """What reaches a batch normalisation: the mean and mean square of each image and channel (n, c), and what it recorded."""

    mean: Tensor
    square: Tensor
    recorded_mean: Tensor
    recorded_variance: Tensor
    eps: float

    def misfit(self, picked: Tensor) -> Tensor:
        """Kullback-Leibler divergence of the picked images' Gaussian from the recorded one, the mean over channels."""
        mean = self.mean[picked].mean(0)
        variance = (self.square[picked].mean(0) - mean**2).clamp_min(0) + self.eps
        recorded = self.recorded_variance + self.eps
        ratio = variance / recorded
        return ((ratio + (mean - self.recorded_mean) ** 2 / recorded - 1 - ratio.log()) / 2).clamp(max=_MOST).mean()


def misfit(layers: list[LayerInputs], picked: Tensor) -> float:
    """The mean misfit of the layers, for the images at the indices `picked`."""
    return float(torch.stack([layer.misfit(picked) for layer in layers]).mean())


def recorded_layers(model: nn.Module) -> list[nn.Module]:
    """The batch normalisations of `model` that hold statistics of training."""
    return [module for module in model.modules() if isinstance(module, _BN_TYPES) and _was_trained(module)]


def is_fresh(model: nn.Module) -> bool:
    """Whether batch normalisations have the statistics they are made with, so that nothing was trained."""
    kept = [module for module in model.modules() if isinstance(module, _BN_TYPES) and module.running_mean is not None]
    return bool(kept) and not recorded_layers(model)


def _was_trained(module: Any) -> bool:
    mean, variance = module.running_mean, module.running_var
    return mean is not None and not (bool((mean == 0).all()) and bool((variance == 1).all()))


@torch.no_grad()
def layer_inputs(model: nn.Module, x: Tensor) -> list[LayerInputs]:
    """What reaches the first batch normalisations for images or clips `x`; empty if there are none, or the network fails."""
    found: list[LayerInputs] = []

    def hook(module: Any, inputs: tuple[Tensor, ...]) -> None:
        flat = inputs[0].flatten(2) if inputs[0].dim() > 2 else inputs[0][..., None]
        flat = flat.float()
        recorded = (module.running_mean.float().cpu(), module.running_var.float().cpu())
        found.append(LayerInputs(flat.mean(2).cpu(), (flat**2).mean(2).cpu(), *recorded, module.eps))
        if len(found) == _LAYERS:
            raise _EnoughError

    handles = [module.register_forward_pre_hook(hook) for module in recorded_layers(model)]
    try:
        with in_mode(model), preserved():
            model(x.clone())  # some networks write into their input
    except _EnoughError:
        pass
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError):
        return []
    finally:
        for handle in handles:
            handle.remove()
    return [layer for layer in found if len(layer.mean) == len(x)]


@torch.no_grad()
def finite_logits(model: nn.Module, x: Tensor) -> Tensor | None:
    """Logits (n, classes) on the CPU; None if the network fails on `x` or gives anything else."""
    try:
        with in_mode(model), preserved():
            logits = logits_of(model, x.clone()).float().cpu()
    except DlcliError:
        return None
    return logits if bool(logits.isfinite().all()) else None


def calibrated_losses(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each image (n,) at the temperature that makes their mean lowest, so that scale does not count."""
    losses = torch.stack([cross_entropy(logits * t, y, reduction="none") for t in _TEMPERATURES.to(logits)])
    return losses[losses.mean(1).argmin()]


def relative_margins(logits: Tensor) -> Tensor:
    """The distance of the two highest logits of each image (n,), in standard deviations of its logits: free of scale."""
    top = logits.topk(2, 1).values
    return (top[:, 0] - top[:, 1]) / logits.std(1).clamp_min(1e-12)


def information(logits: Tensor) -> float:
    """Mutual information of image and class as predicted, in nats: high if predictions are confident and differ."""
    p = logits.softmax(1)
    mean = p.mean(0)
    return float(-(mean * mean.clamp_min(1e-12).log()).sum() + (p * p.clamp_min(1e-12).log()).sum(1).mean())


def median_margin(logits: Tensor) -> float:
    """The median distance of the two highest logits."""
    top = logits.topk(2, 1).values
    return float((top[:, 0] - top[:, 1]).median())


def multiply_adds(model: nn.Module, x: Tensor) -> float:
    """Multiply-adds for the first of the images `x`."""
    with counting() as total, in_mode(model), torch.no_grad():
        finite_logits(model, x[:1])
        return total()
