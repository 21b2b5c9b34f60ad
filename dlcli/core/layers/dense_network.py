"""Networks that have logits for each pixel: the body of a classifier with a 1x1 convolution on its last map, upsampled."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad


class _ReachedError(Exception):
    """The map is computed; what the classifier does with it is not needed."""

    def __init__(self, found: Tensor) -> None:
        super().__init__("the map is computed")
        self.found = found


class Grid(NamedTuple):
    """Where the positions of a map lie along one axis: position i is the pixel `start` + i `step`."""

    step: int
    start: int


class DenseNetwork(nn.Module):
    """`body`, a classifier, up to its last map; a `head` of 1x1 convolutions, a `context`, and bilinear upsampling.

    Attributes:
        body: The classifier; modules that came after the map are empty.
        removed: The paths of these.
        grid: Where positions of the map lie, by height and width; None spreads them evenly.
        place: The path of the module at the map.
        before: Whether the map is the input of that module; else it is its output.
        call: Which of its calls, from 0.
        relu: Whether a ReLU follows, which the code of the classifier calls as a function.
    """

    def __init__(
        self, body: nn.Module, head: nn.Module, *, place: str, before: bool, call: int, relu: bool, removed: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.context: nn.Module = nn.Identity()
        self.grid: tuple[Grid, Grid] | None = None
        self.place, self.before, self.call, self.relu, self.removed = place, before, call, relu, removed

    def features(self, x: Tensor) -> Tensor:
        """The last map of the body, (n, d, h', w')."""
        seen = 0

        def found(tensor: Any) -> None:
            nonlocal seen
            seen += 1
            if seen > self.call:
                raise _ReachedError(tensor)

        module = self.body.get_submodule(self.place)
        if self.before:
            handle = module.register_forward_pre_hook(lambda _, args: found(args[0]))
        else:
            handle = module.register_forward_hook(lambda _, args, output: found(output))
        try:
            self.body(x)
        except _ReachedError as reached:
            return torch.relu(reached.found) if self.relu else reached.found
        finally:
            handle.remove()
        raise RuntimeError(f"the network does not call {self.place} as it did before")

    def scores(self, x: Tensor) -> Tensor:
        """Logits at the positions of the last map, (n, classes, h', w')."""
        found: Tensor = self.context(self.head(self.features(x)))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) to logits (n, classes, h, w)."""
        scores = self.scores(x)
        return upsampled(scores, x) if self.grid is None else placed(scores, x, self.grid)


class UpsampledNetwork(nn.Module):
    """`inner`, a network with a map of logits, whose map is upsampled to the size of the picture."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) to logits (n, classes, h, w)."""
        return upsampled(self.inner(x), x)


def upsampled(scores: Tensor, x: Tensor) -> Tensor:
    """Maps (n, k, h', w') in height and width of the pictures `x` (n, c, h, w), by bilinear interpolation."""
    if scores.shape[-2:] == x.shape[-2:]:
        return scores
    return interpolate(scores, x.shape[-2:], mode="bilinear", align_corners=False)


def placed(scores: Tensor, x: Tensor, grid: tuple[Grid, Grid]) -> Tensor:
    """Maps (n, k, h', w') in height and width of the pictures, by bilinear interpolation between positions at their pixels.

    Before the first and after the last position, the value is theirs.

    Args:
        scores: The maps.
        x: The pictures, (n, c, h, w).
        grid: Where the positions lie, by height and width.
    """
    sizes = [(side - 1) * axis.step + 1 for side, axis in zip(scores.shape[-2:], grid, strict=True)]
    found = interpolate(scores, sizes, mode="bilinear", align_corners=True)
    for dim, axis in zip((-2, -1), grid, strict=True):
        if axis.start < 0:
            found = found.narrow(dim, -axis.start, found.shape[dim] + axis.start)
    before = [max(0, axis.start) for axis in grid]
    found = found[..., : max(1, x.shape[-2] - before[0]), : max(1, x.shape[-1] - before[1])]
    after = [max(0, side - have - first) for side, have, first in zip(x.shape[-2:], found.shape[-2:], before, strict=True)]
    return pad(found, (before[1], after[1], before[0], after[0]), mode="replicate")[..., : x.shape[-2], : x.shape[-1]]


class ContextModule(nn.Module):
    """Dilated convolutions over maps of scores, which see further without losing resolution (Yu and Koltun 2016, table 1).

    Seven 3x3 layers of dilations 1, 1, 2, 4, 8, 16 and 1 and a 1x1 layer, each with as many channels as there are classes,
    start as the identity (equation 4). The rectifiers between them cut scores below 0; so the lowest score of each pixel is
    subtracted first, which changes no probability.
    """

    DILATIONS = (1, 1, 2, 4, 8, 16, 1)

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for dilation in self.DILATIONS:
            self.layers.append(nn.Conv2d(classes, classes, 3, padding=dilation, dilation=dilation))
            self.layers.append(nn.ReLU())
        self.layers.append(nn.Conv2d(classes, classes, 1))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.dirac_(layer.weight)
                nn.init.zeros_(layer.bias) if layer.bias is not None else None

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, classes, h, w) to scores of the same shape."""
        found: Tensor = self.layers(x - x.amin(1, keepdim=True))
        return found


class PyramidHead(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017, arXiv 1706.05587, section 3.3) and a 1x1 convolution.

    Branches of a 1x1 layer, 3x3 layers of some dilations and the mean over the map, each with batch normalisation, are
    concatenated and mapped to the classes.
    """

    WIDTH = 64

    def __init__(self, channels: int, classes: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        width = self.WIDTH
        branches = [_normed(nn.Conv2d(channels, width, 1, bias=False))]
        branches += [_normed(nn.Conv2d(channels, width, 3, padding=r, dilation=r, bias=False)) for r in rates]
        self.branches = nn.ModuleList(branches)
        # Without batch normalisation, which fails on a single value per channel.
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, width, 1), nn.ReLU())
        self.project = _normed(nn.Conv2d(width * (len(rates) + 2), width, 1, bias=False))
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """A map (n, channels, h, w) to scores (n, classes, h, w)."""
        whole = self.whole(x).expand(-1, -1, *x.shape[-2:])
        found: Tensor = self.classify(self.project(torch.cat([*(branch(x) for branch in self.branches), whole], 1)))
        return found


def _normed(layer: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU())


def dense_part(model: nn.Module) -> DenseNetwork | None:
    """The `DenseNetwork` that a network is or holds; None for other networks."""
    return next((module for module in model.modules() if isinstance(module, DenseNetwork)), None)
