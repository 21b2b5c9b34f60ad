"""Masks that a network predicts: whole pictures of any size, in overlapping tiles where memory does not hold one."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.batches import if_it_fits
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.loader import to_float
from dlcli.core.compute.precision import float32_precision
from dlcli.core.data.mask_labels import sizes_of
from dlcli.core.evaluation.mask_counts import MaskCounts, confusion_of, edge_counts
from dlcli.core.objectives.base import MaskObjective
from dlcli.specs.masks import OUTSIDE
from dlcli.support.errors import ResourceError

_MOST = 32
"""Pictures per batch at most."""
_SMALLEST_TILE = 32
_OVERLAP = 0.5


class PictureLogits(NamedTuple):
    """Some pictures of one size, by their indices, and their logits (m, classes, h, w) on the CPU."""

    which: NDArray[np.int64]
    logits: Tensor


def picture_batches(x: Tensor, y: Tensor, device: torch.device) -> Iterator[NDArray[np.int64]]:
    """The indices of the pictures of each batch, which are of one size and as many as fit in memory.

    Args:
        x: Pictures (n, c, h, w).
        y: Their masks (n, h, w), OUTSIDE beside pictures that are smaller.
        device: Where a network computes.
    """
    sizes = sizes_of(y.numpy())
    for height, width in np.unique(sizes, axis=0):
        alike = np.flatnonzero((sizes == (height, width)).all(1))
        step = at_a_time(_MOST, x[:1, :, :height, :width], device)
        yield from (alike[begin : begin + step] for begin in range(0, len(alike), step))


def picture_logits(
    model: nn.Module, x: Tensor, y: Tensor, device: torch.device, batches: Iterable[NDArray[np.int64]] | None = None
) -> Iterator[PictureLogits]:
    """The logits of pictures in evaluation mode, each without what lies beside it, batch by batch and size by size.

    Args:
        model: Network on `device`, with logits (n, classes, h, w).
        x: Pictures (n, c, h, w), floats in [0, 1] or bytes.
        y: Their masks (n, h, w), OUTSIDE beside pictures that are smaller.
        device: Where to compute.
        batches: Those of `picture_batches` that are wanted; None for all.

    Raises:
        InputError: If the network fails on such pictures.
        ResourceError: If memory does not suffice for a small tile of one.
    """
    for which in picture_batches(x, y, device) if batches is None else batches:
        height, width = sizes_of(y[int(which[0])][None].numpy())[0].tolist()
        pictures = to_float(x[torch.from_numpy(which)][..., :height, :width])
        yield PictureLogits(which, _logits(model, pictures, device))


@float32_precision("ieee")
@torch.no_grad()
def _logits(model: nn.Module, x: Tensor, device: torch.device) -> Tensor:
    def call(part: Tensor) -> Tensor:
        with in_mode(model):
            return logits_of(model, part.to(device), axes=2).float().cpu()

    found = if_it_fits(lambda: call(x), device, divisible=True)
    if found is not None:
        return found
    if len(x) > 1:
        return torch.cat([_logits(model, one[None], device) for one in x])
    return tiled(call, x, max(x.shape[-2:]) // 2, device)


def tiled(call: Callable[[Tensor], Tensor], x: Tensor, side: int, device: torch.device) -> Tensor:
    """The logits of one picture from those of overlapping tiles, each counting for more the farther a pixel is from its edges.

    Args:
        call: The logits of a picture (1, c, h, w).
        x: The picture.
        side: Height and width of a tile; it is halved while memory does not suffice.
        device: Where `call` computes.

    Raises:
        ResourceError: If memory does not suffice for a tile of 32 pixels.
    """
    while True:
        found = if_it_fits(partial(_from_tiles, call, x, side), device, divisible=side >= 2 * _SMALLEST_TILE)
        if found is not None:
            return found
        side //= 2
        if side < _SMALLEST_TILE:
            raise ResourceError("out of memory on a tile of one picture", hint="choose a smaller network, or lower `size`")


def _from_tiles(call: Callable[[Tensor], Tensor], x: Tensor, side: int) -> Tensor:
    total: Tensor | None = None
    weights = torch.zeros(x.shape[-2:])
    for top in _starts(x.shape[-2], side):
        for left in _starts(x.shape[-1], side):
            logits = call(x[..., top : top + side, left : left + side])
            ramps = [1.0 + torch.minimum(torch.arange(n), torch.arange(n).flip(0)) for n in logits.shape[-2:]]
            weight = ramps[0][:, None] * ramps[1]
            total = x.new_zeros(1, logits.shape[1], *x.shape[-2:]) if total is None else total
            total[..., top : top + side, left : left + side] += logits * weight
            weights[top : top + side, left : left + side] += weight
    if total is None:
        raise ValueError("a picture of no pixels")
    return total / weights


def _starts(length: int, side: int) -> list[int]:
    """Where tiles start along an axis, so that each overlaps the next."""
    if length <= side:
        return [0]
    count = -(-(length - side) // max(1, int(side * (1 - _OVERLAP)))) + 1
    return [round(k * (length - side) / (count - 1)) for k in range(count)]


def predicted_labels(model: nn.Module, x: Tensor, y: Tensor, classes: int, device: torch.device) -> NDArray[np.uint8]:
    """The masks (n, h, w) that a network predicts, OUTSIDE beside pictures that are smaller.

    Args:
        model: The network, on `device`.
        x: Pictures (n, c, h, w).
        y: Their masks (n, h, w), which tell their sizes.
        classes: Number of classes.
        device: Where to compute.
    """
    found = np.full(tuple(y.shape), OUTSIDE, dtype=np.uint8)
    for which, logits in picture_logits(model, x, y, device):
        labels = logits[:, :classes].argmax(1).to(torch.uint8).numpy()
        found[which, : labels.shape[1], : labels.shape[2]] = labels
    return found


def counted_masks(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], classes: int) -> MaskCounts:
    """The confusion of predicted masks (n, h, w) by picture, without boundaries."""
    each = [confusion_of(ours, theirs, classes) for ours, theirs in zip(predicted, truth, strict=True)]
    return MaskCounts(np.stack(each), np.zeros((len(truth), classes, 4), dtype=np.int64))


class MeasuredMasks(NamedTuple):
    """The counts of each picture, and the mean loss of a batch."""

    counts: MaskCounts
    loss: float


def measure_masks(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    objective: MaskObjective,
    device: torch.device,
    *,
    edges: bool,
    batches: Iterable[NDArray[np.int64]] | None = None,
) -> MeasuredMasks:
    """Predict pictures and compare with their masks.

    Args:
        model: The network, on `device`.
        x: Pictures (n, c, h, w).
        y: Their masks (n, h, w).
        objective: The loss.
        device: Where to compute.
        edges: Whether to count pixels of boundaries too, which takes longer than the rest.
        batches: Those of `picture_batches`; None finds them.
    """
    k, n = len(objective.outputs), len(y)
    confusion, found_edges = np.zeros((n, k, k), dtype=np.int64), np.zeros((n, k, 4), dtype=np.int64)
    total, weight = 0.0, 0.0
    for which, logits in picture_logits(model, x, y, device, batches):
        truth = y[torch.from_numpy(which)][..., : logits.shape[-2], : logits.shape[-1]]
        labels = logits[:, :k].argmax(1)
        counts = float(objective.weight(truth))
        total, weight = total + counts * float(objective.loss(logits, truth)), weight + counts
        for row, ours, theirs in zip(which, labels, truth, strict=True):
            confusion[row] = confusion_of(ours.numpy().astype(np.uint8), theirs.numpy(), k)
            if edges:
                found_edges[row] = edge_counts(ours, theirs.long(), k)
    return MeasuredMasks(MaskCounts(confusion, found_edges), total / weight if weight else 0.0)
