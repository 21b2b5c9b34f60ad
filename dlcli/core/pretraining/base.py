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
from dlcli.support.errors import InputError

Draw = Callable[[torch.Generator], Tensor]
"""Draws the examples of an epoch, (n,) indices."""


@dataclass(frozen=True)
class PretrainingSettings:
    """Options of pre-training: the distance of two feature vectors, l1 or l2, and the margin of the loss."""

    distance: str
    margin: float


@dataclass(frozen=True)
class Pretraining:
    """How a body is trained before its last layer.

    Attributes:
        objective: A loss of features (n, d) and levels (n,).
        sampling: Makes the draw of an epoch from the levels (n,) of the training examples.
        together: How many examples, one after the other in that draw, belong together in a step.
    """

    objective: Objective
    sampling: Callable[[NDArray[np.int64]], Draw]
    together: int


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


def feature_network(net: nn.Module, sample: Tensor) -> FeatureNetwork:
    """`net` up to its last layer, found by a pass on `sample` (1, c, h, w); it shares the weights of `net`.

    Raises InputError if no single last layer makes the outputs.
    """
    path = last_layer(net, sample)
    if path is None:
        message = "`pretrain`: the network has no last linear layer, below which features could be pre-trained"
        raise InputError(message, hint="choose another `model`, or omit `pretrain`")
    return FeatureNetwork(net, path)
