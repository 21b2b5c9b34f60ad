"""Grad-CAM: the last spatial feature map, weighted by its gradients (Selvaraju et al. 2017, arXiv 1610.02391, section 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from dlcli.core.compute.forward import logits_of
from dlcli.core.explain.base import ExplainSettings, Maps, Target, check_images, evaluated, gradient, parts_of
from dlcli.core.graph.feature_map import last_feature_map

_HINT = "`explain=occlusion` takes any network"


def explain(model: nn.Module, x: Tensor, target: Target, settings: ExplainSettings) -> Maps:
    """Channels weighted by the mean of their gradients over positions and added up, then resized bilinearly to the image.

    Negative values are kept, where Selvaraju et al. set them to 0: there the image lowers the target.

    Args:
        model: The network; it runs in evaluation mode.
        x: Images (n, c, h, w) in [0, 1], on the CPU.
        target: The number that is explained.
        settings: `device` is used.

    Returns:
        The maps.

    Raises:
        InputError: If the network has no spatial feature map through which all of it goes, or they are clips of video.
        ResourceError: If memory does not suffice for one image.
    """
    check_images(x)
    last = last_feature_map(model, x[:1].to(settings.device))

    def part(begin: int, end: int) -> Tensor:
        given, rows = x[begin:end].to(settings.device).requires_grad_(), torch.arange(begin, end)
        with last.kept(model, given) as seen:
            value = target(logits_of(model, given), rows)
        weights = gradient(value, seen[0], _HINT).mean((2, 3), keepdim=True)
        return (weights * seen[0].detach()).sum(1).float().cpu()

    with evaluated(model), torch.enable_grad():
        coarse = torch.cat(list(parts_of(x.__getitem__, settings.device).map(part, len(x))))
    signed = interpolate(coarse[:, None], size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return Maps(signed, signed.abs())
