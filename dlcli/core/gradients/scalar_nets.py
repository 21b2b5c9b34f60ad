"""Scalar-to-scalar networks (1-D toy models), 200 units wide, to study gradients without data.

Balduzzi et al. 2017 (arXiv 1702.08591, section 2) take a grid of 256 points in [-2, 2]. Their plain network has its activations
centred: with biases of 0, and nothing else that shifts them, a network of one input bends at 0 only.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlcli.core.compute.precision import float32_precision
from dlcli.core.layers.mlp_stack import KINDS, mlp_stack

GRID_LIMIT = 2.0
WIDTH = 200


class Centred(nn.BatchNorm1d):
    """x minus its mean: that of the batch in training, the last batch's in evaluation. (n, width) to (n, width)."""

    def __init__(self, width: int) -> None:
        super().__init__(width, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """In the shape of `x`."""
        assert self.running_mean is not None  # noqa: S101 - for the type checker: it is there unless switched off
        if not self.training:
            return x - self.running_mean
        mean = x.mean(0)
        self.running_mean.copy_(mean.detach())
        return x - mean


def grid(points: int) -> Tensor:
    """`points` evenly spaced numbers in [-2, 2], (points, 1) float64."""
    return torch.linspace(-GRID_LIMIT, GRID_LIMIT, points, dtype=torch.float64)[:, None]


def scalar_network(kind: str, depth: int, x: Tensor, *, beta: float = 1.0) -> nn.Module:
    """A scalar-to-scalar network, (n, 1) to (n, 1), in evaluation mode and float64.

    Weights come from torch's global generator.

    Args:
        kind: One of `KINDS`, see `mlp_stack`; `plain` centres what its ReLUs receive.
        depth: Number of layers of ReLUs.
        x: Inputs (n, 1), from which the statistics of centring and of batch normalisation are taken.
        beta: Factor of residual branches.

    Returns:
        The network.

    Raises:
        ValueError: For another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"'{kind}' is not one of {', '.join(KINDS)}")
    net: nn.Module = mlp_stack(kind, 1, 1, depth, width=WIDTH, beta=beta).double()
    if kind == "plain":
        net = _centred(net).double()
    return set_batchnorm_statistics(net, x)


@float32_precision("ieee")
def set_batchnorm_statistics(net: nn.Module, x: Tensor) -> nn.Module:
    """Set the running statistics of `net` to those of the inputs `x` (n, ...); returns it in evaluation mode."""
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0  # so that one pass is all that counts
    with torch.no_grad():
        net.train()(x)
    return net.eval()


def _centred(net: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for module in net.children():
        layers += [Centred(WIDTH), module] if isinstance(module, nn.ReLU) else [module]
    return nn.Sequential(*layers)
