"""Every k x k becomes k x k x k, its weights spread evenly along time (Carreira & Zisserman 2017, arXiv 1705.07750, 2.4).

All keep stride 1 along time. A kernel that is not square gets its longer side.
"""

from torch import Tensor

from dlcli.core.inflate.rule import TracedNetwork, layer_paths, spread_evenly

TAPS = None

DILATIONS = (1,)


def choose_layers(network: TracedNetwork, which: str) -> list[str]:
    """The paths of all layers with a kernel above 1x1; `which` is of no account."""
    return layer_paths([op for op in network.convolutions if not network.is_pointwise(op)])


def inflate_weight(weight: Tensor, taps: int) -> Tensor:
    """The weight of a layer along time."""
    return spread_evenly(weight, taps)
