"""Fully connected stacks of any depth, the four kinds that Balduzzi et al. 2017 (arXiv 1702.08591, section 2) compare."""

from math import sqrt

import torch
from torch import Tensor, nn

from dlcli.core.layers.mirrored import mirrored

KINDS = ("plain", "bn", "resnet", "looks-linear")


class ResidualLayer(nn.Module):
    """x + beta * W relu(BN(x)), on (n, width)."""

    def __init__(self, width: int, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta
        self.norm = nn.BatchNorm1d(width)
        self.relu = nn.ReLU()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """In the shape of `x`."""
        branch: Tensor = self.linear(self.relu(self.norm(x)))
        return x + (branch if self.beta == 1.0 else self.beta * branch)


def mlp_stack(kind: str, inputs: int, outputs: int, depth: int, *, width: int = 200, beta: float = 1.0) -> nn.Sequential:
    """A fully connected network (n, ...) to (n, outputs); weights are He-normal unless mirrored, biases 0.

    Args:
        kind: One of `KINDS`: linear and ReLU; linear, BatchNorm and ReLU; residual layers; linear and ReLU with mirrored
            orthogonal weights, for which `width` is even.
        inputs: Values per example.
        outputs: Values per output.
        depth: Number of layers of ReLUs.
        width: Units per layer.
        beta: Factor of residual branches.

    Returns:
        The network.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    if kind == "resnet":
        layers += [nn.Linear(inputs, width), *(ResidualLayer(width, beta) for _ in range(depth))]
    else:
        for number in range(depth):
            norm = [nn.BatchNorm1d(width)] if kind == "bn" else []
            layers += [nn.Linear(width if number else inputs, width), *norm, nn.ReLU()]
    layers.append(nn.Linear(width if depth or kind == "resnet" else inputs, outputs))
    net = nn.Sequential(*layers)
    _draw(net, is_mirrored=kind == "looks-linear")
    return net


def _draw(net: nn.Sequential, *, is_mirrored: bool) -> None:
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    for number, layer in enumerate(layers):
        first, last = number == 0, number == len(layers) - 1
        with torch.no_grad():
            if is_mirrored:
                layer.weight.copy_(mirrored(layer.weight.shape, inputs=not first, outputs=not last))
            else:
                layer.weight.normal_(0.0, sqrt(2.0 / layer.in_features))
            layer.bias.zero_()
