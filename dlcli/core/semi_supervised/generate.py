"""Images that a trained M2 model generates: draws of each class, and a plane of its latent space."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import generator
from dlcli.core.semi_supervised.m2 import M2Networks
from dlcli.support.seeds import derive

_DRAWS, _PLANE = 4, 6
_MOST = 10


class GeneratedImages(NamedTuple):
    """For each of the first classes a square of images (c, height, width), the values probabilities of 1.

    Attributes:
        draws: From the prior of the latent vector, the same vectors for each class.
        plane: Two latent variables at quantiles of their prior, the others 0.
        variables: Which two: those whose posterior means vary most over labelled images.
    """

    draws: tuple[NDArray[np.float32], ...]
    plane: tuple[NDArray[np.float32], ...]
    variables: tuple[int, int]


@torch.no_grad()
def generate(networks: M2Networks, x: Tensor, y: Tensor, seed: int) -> GeneratedImages:
    """What a model generates.

    Args:
        networks: Of the model, on the CPU or another device.
        x: Labelled images (n, c, h, w), floats in [0, 1] or bytes.
        y: Their labels (n,).
        seed: Of the draws.
    """
    where, shape = next(networks.parameters()).device, x.shape[1:]
    images = to_float(x).flatten(1).to(where)
    shares = torch.nn.functional.one_hot(y, networks.classes).to(where, images.dtype)
    mean, _ = networks.encode(networks.of_image(images), shares)
    spread = mean.var(0, correction=0)
    first, second = spread.argsort(descending=True, stable=True)[:2].tolist()
    noise = torch.randn(_DRAWS**2, networks.latent, generator=generator(derive(seed, "generated"))).to(where)
    at = torch.from_numpy(ndtri((np.arange(_PLANE) + 0.5) / _PLANE).astype(np.float32)).to(where)
    plane = torch.zeros(_PLANE**2, networks.latent, device=where)
    plane[:, first], plane[:, second] = at.repeat_interleave(_PLANE), at.repeat(_PLANE)
    classes = range(min(networks.classes, _MOST))
    draws, planes = (tuple(_square(networks, k, z, shape) for k in classes) for z in (noise, plane))
    return GeneratedImages(draws, planes, (first, second))


def _square(networks: M2Networks, label: int, z: Tensor, shape: torch.Size) -> NDArray[np.float32]:
    """The images of a class at latent vectors (n * n, latent), in n rows."""
    y = torch.eye(networks.classes, device=z.device)[label].expand(len(z), -1)
    n, (c, height, width) = round(len(z) ** 0.5), shape
    found = networks.decode(y, z).sigmoid().view(n, n, c, height, width)
    square: NDArray[np.float32] = found.permute(2, 0, 3, 1, 4).reshape(c, n * height, n * width).cpu().numpy()
    return square
