"""What pre-training needs: the features of a network, which examples meet in a step, and a loss of their features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.graph.last_hidden import last_layer
from dlcli.core.objectives.base import Objective
from dlcli.core.training.augment import Augmentation, augmentation
from dlcli.core.training.random_change import RandomChange
from dlcli.core.training.views import two_changes
from dlcli.support.errors import InputError

_CHANGES = ("resized-crop", "horizontal-flip", "color-jitter")

Draw = Callable[[torch.Generator], Tensor]
"""Draws the examples of an epoch, (n,) indices."""


@dataclass(frozen=True)
class PretrainingSettings:
    """Options of pre-training, and what it is for.

    Attributes:
        distance: Of two feature vectors, l1 or l2.
        margin: Of the loss.
        patch: Side of patches in pixels; None for the default.
        size: Height and width of the images in pixels.
    """

    distance: str
    margin: float
    patch: int | None = None
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Pretraining:
    """How a body is trained before its last layer.

    Attributes:
        objective: A loss of features (n, d) and levels (n,); with `views`, of (n, 2, d), and it reads no levels.
        shown: The settings in words.
        sampling: Makes the draw of an epoch from the levels (n,) of the training examples; None: each once.
        together: How many examples, one after the other in that draw, belong together in a step.
        views: Makes two views (n, 2, c, height, width) of images (n, c, h, w); None where labels are used instead.
        side: Height and width of a view in pixels; None for those of the images.
        head: Makes the layers between d features and the loss, which are dropped afterwards; None for none.
    """

    objective: Objective
    shown: str
    sampling: Callable[[NDArray[np.int64]], Draw] | None = None
    together: int = 1
    views: RandomChange | None = None
    side: int | None = None
    head: Callable[[int], nn.Module] | None = None


class FeatureNetwork(nn.Module):
    """A network that returns what its last layer reads, (n, d), averaged over positions; parameters are those of `net`."""

    def __init__(self, net: nn.Module, path: str) -> None:
        super().__init__()
        self.net = net
        self._seen: list[Tensor] = []
        net.get_submodule(path).register_forward_pre_hook(self._keep, with_kwargs=True)

    def _keep(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._seen.append(args[0] if args else kwargs["input"])

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        self._seen.clear()
        self.net(x)
        read = self._seen.pop()
        return read.mean((2, 3)) if read.dim() == 4 else read.flatten(1, -2).mean(1) if read.dim() > 2 else read


class ViewNetwork(nn.Module):
    """Features of views (n, 2, c, h, w), through a head: (n, 2, d). Images (n, c, h, w) have one view each."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        views = x if x.dim() == 5 else x[:, None]
        found: Tensor = self.head(self.features(views.flatten(0, 1)))
        return found.view(*views.shape[:2], -1)


def changed_views(settings: PretrainingSettings) -> RandomChange:
    """Two views of each image, cropped and resized, mirrored and jittered in colour, as for SimCLR and VICReg."""
    return two_changes(augmentation(_CHANGES, settings.size) or Augmentation(()))


def feature_network(net: nn.Module, sample: Tensor) -> FeatureNetwork:
    """`net` up to its last layer, found by a pass on `sample` (1, c, h, w); it shares the weights of `net`.

    Raises InputError if no single last layer makes the outputs.
    """
    path = last_layer(net, sample)
    if path is None:
        message = "`pretrain`: the network has no last linear layer, below which features could be pre-trained"
        raise InputError(message, hint="choose another `model`, or omit `pretrain`")
    return FeatureNetwork(net, path)
