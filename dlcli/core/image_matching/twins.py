"""Which images in memory have a near duplicate among others: compressed or resized again, mirrored, brighter."""

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.image_matching.confirmation import confirm
from dlcli.core.image_matching.reading import SIDE
from dlcli.core.image_matching.whole_images import image_hashes, pairs_between
from dlcli.support.reporter import SILENT, Reporter

_LUMA = (0.299, 0.587, 0.114)
_AT_A_TIME = 2000


def has_twin(x: Tensor, others: Iterable[Tensor], report: Reporter = SILENT) -> NDArray[np.bool_]:
    """Which images have a near duplicate, by a perceptual hash of the whole image and confirmed on pixels.

    Images without detail, such as plain ones, are never confirmed.

    Args:
        x: Images (n, c, h, w), floats in [0, 1] or bytes.
        others: Those that they are looked for among, in one or more parts alike but for n.
        report: Shows progress.

    Returns:
        One bool per image of `x`, (n,).
    """
    height, width = x.shape[-2:]
    found = np.zeros(len(x), bool)
    if not len(x):
        return found
    grey = grey_copies(x)
    hashes = image_hashes(grey)
    parts = [piece for part in others for piece in part.split(_AT_A_TIME)]
    with threadpool_limits(limits=1), report.task("looking for test images, parts", len(parts)) as task:
        for piece in parts:
            beside = grey_copies(piece)
            pairs = pairs_between(hashes, image_hashes(beside))
            both = np.concatenate([grey, beside])
            sizes = np.tile(np.array([width, height], np.int64), (len(both), 1))
            with SILENT.task("pairs") as pairs_task:
                found[confirm(both, sizes, pairs, pairs_task).pairs.first] = True
            task.advance()
    return found


def grey_copies(x: Tensor) -> NDArray[np.uint8]:
    """Luma of images (n, c, h, w), resized to (n, SIDE, SIDE)."""
    parts = [np.empty((0, SIDE, SIDE), np.uint8)]
    for piece in x.split(_AT_A_TIME):
        pixels = to_float(piece)
        luma = torch.tensor(_LUMA).view(3, 1, 1) if pixels.shape[1] == 3 else torch.full((1, 1, 1), 1 / pixels.shape[1])
        small = F.interpolate((pixels * luma).sum(1, keepdim=True), (SIDE, SIDE), mode="bilinear", antialias=True)
        parts.append((small[:, 0] * 255).round().clamp(0, 255).to(torch.uint8).numpy())
    return np.concatenate(parts)
