"""Images without labels beside a training set, and whether test images are among them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.support.memory import check_memory

_AT_A_TIME = 1024


@dataclass(frozen=True)
class UnlabelledImages:
    """Images without labels in one or more parts (n, c, h, w), alike but for n: floats in [0, 1] or bytes."""

    parts: tuple[Tensor, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels in their order."""
        digest = hashlib.sha256()
        for part in self.parts:
            for pixels in _pixels(part):
                digest.update(pixels)
        return digest.hexdigest()

    def after(self, x: Tensor) -> Tensor:
        """Images `x` (m, c, h, w) and then those of the pool, in memory; raises ResourceError if they do not fit there."""
        return _joined((x, *self.parts))

    def joined(self) -> Tensor:
        """All images (n, c, h, w), in memory; raises ResourceError if they do not fit there."""
        return self.parts[0] if len(self.parts) == 1 else _joined(self.parts)

    def held(self, x: Tensor) -> NDArray[np.bool_]:
        """Which of the images `x` (m, c, h, w) are in the pool, pixel for pixel in 256 levels, (m,)."""
        there = {hashlib.sha256(pixels).digest() for part in self.parts for pixels in _pixels(part)}
        return np.array([hashlib.sha256(pixels).digest() in there for pixels in _pixels(x)], bool)


def _joined(parts: tuple[Tensor, ...]) -> Tensor:
    if len({part.dtype for part in parts}) > 1:
        check_memory(sum(part.numel() * 4 for part in parts), "joining all images without labels")
        return torch.cat([to_float(part) for part in parts])
    check_memory(sum(part.nbytes for part in parts), "joining all images without labels")
    return torch.cat(parts)


def _pixels(x: Tensor) -> Iterator[bytes]:
    """The pixels of each image, as bytes in 256 levels."""
    for part in x.split(_AT_A_TIME):
        levels = (part * 255).round().to(torch.uint8) if part.is_floating_point() else part
        for image in levels.numpy():
            yield image.tobytes()
