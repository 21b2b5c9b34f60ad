"""Time where a network has no space: 1x1 becomes 3x1x1, and k x k stays 1 x k x k (BesNet, Kinetics 2017).

Which 1x1: of each residual branch the first (`conv1`), or the first and the last (`both`); `all` has those on shortcuts as
well. Outside of residual blocks all, but for a head. Convolutions of a squeeze-excite gate, which see no space, never do. A
network without any has time in convolutions of k x k: the first, or first and last, of each residual branch, or without
residual blocks all but the first of the network; `all` is as above.
"""

from collections.abc import Callable

from torch import Tensor

from dlcli.core.graph.trace import Op
from dlcli.core.inflate.rule import TracedNetwork, layer_paths, spread_evenly

TAPS = 3

DILATIONS = (1, 2)


def choose_layers(network: TracedNetwork, which: str) -> list[str]:
    """The paths of the layers that become temporal; `which` is conv1, both or all."""
    shortcuts = {op.node for skip in network.skips for op in skip.shortcut}
    branches = {op.node for skip in network.skips for op in skip.branch}
    gates = {op.node for op in network.convolutions if network.is_gate(op)}
    convolutions = [op for op in network.convolutions if op.node not in gates]
    body = [op for op in convolutions if op.node in branches or (op.node not in shortcuts and not network.is_last(op))]
    pointwise = [op for op in body if network.is_pointwise(op)]
    if pointwise:
        chosen = _of_branches(network, which, lambda op: network.is_pointwise(op) and op.node not in gates) | {
            op.node for op in pointwise if op.node not in branches
        }
    elif network.skips:
        chosen = _of_branches(network, which, lambda op: op.node not in gates)
    else:
        chosen = {op.node for op in body if op is not convolutions[0]}
    if which == "all":
        chosen |= {op.node for op in convolutions if op.node in shortcuts and (not pointwise or network.is_pointwise(op))}
    return layer_paths([op for op in convolutions if op.node in chosen])


def inflate_weight(weight: Tensor, taps: int) -> Tensor:
    """The weight of a layer along time."""
    return spread_evenly(weight, taps)


def _of_branches(network: TracedNetwork, which: str, wanted: Callable[[Op], bool]) -> set[int]:
    chosen = set()
    for skip in network.skips:
        nodes = {op.node for op in skip.branch}
        own = [op.node for op in network.convolutions if op.node in nodes and wanted(op)]
        chosen.update(own[:1] if which == "conv1" else own[:1] + own[-1:])
    return chosen
