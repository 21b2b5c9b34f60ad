"""Networks that were trained on normalised images take them in [0, 1] here: the normalisation belongs to the model."""

from typing import Any

import torch
from torch import Tensor, nn

from dlcli.core.layers.wrapped import hide_from_state_dict

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of the three colour channels, as torchvision's weights expect them."""
IMAGENET_CLASSES = 1000


class Normalised(nn.Module):
    """`inner` behind (x - mean) / std, an entry a channel; the keys of its state dict are those of `inner`."""

    mean: Tensor
    std: Tensor

    def __init__(self, inner: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.inner = inner
        hide_from_state_dict(self)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Any:
        """Takes (n, c, h, w) or clips (n, c, t, h, w) in [0, 1]."""
        shape = (-1, *[1] * (x.dim() - 2))
        return self.inner((x - self.mean.view(shape)) / self.std.view(shape))


def imagenet_normalised(model: nn.Module) -> Normalised:
    """`model` behind the normalisation of torchvision's ImageNet weights."""
    return Normalised(model, IMAGENET_MEAN, IMAGENET_STD)
