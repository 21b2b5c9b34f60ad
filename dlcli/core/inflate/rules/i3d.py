"""Every k x k becomes k x k x k, its weights spread evenly along time (Carreira & Zisserman 2017, arXiv 1705.07750, 2.4).

All keep stride 1 along time. A kernel that is not square gets its longer side.
"""

from torch import Tensor

from dlcli.core.inflate.rule import Seen, evenly, paths

TAPS = None

DILATIONS = (1,)


def choose(seen: Seen, which: str) -> list[str]:
    """The paths of all layers with a kernel above 1x1; `which` is of no account."""
    return paths([op for op in seen.convolutions if not seen.is_pointwise(op)])


def spread(weight: Tensor, taps: int) -> Tensor:
    """The weight of a layer along time."""
    return evenly(weight, taps)
