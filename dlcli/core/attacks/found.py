"""The images that an attack has found so far."""

import torch
from torch import Tensor

from dlcli.core.attacks.base import Problem
from dlcli.core.compute.device import send


class FoundImages:
    """The images found so far, in the order, type and place of the problem's; at first the clean ones.

    Images that come from another device wait there until they fill a batch: the host waits for every copy.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem, self._images = problem, problem.x.clone()
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def keep(self, index: Tensor, images: Tensor) -> None:
        """Put `images` (k, ...) in the places `index` (k,), which are on the CPU and differ."""
        if images.device == self._images.device:
            self._images[send(index, images.device)] = images
            return
        self._waiting.append((index, images))
        if sum(len(index) for index, _ in self._waiting) >= self._problem.batch_size:
            self._write()

    def images(self) -> Tensor:
        """The images (n, ...)."""
        self._write()
        return self._images

    def _write(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        arrived = torch.cat([images for _, images in waiting]).to(self._images.device)
        # One after another: an image that is there twice stays as it was found last.
        for (index, _), images in zip(waiting, arrived.split([len(index) for index, _ in waiting]), strict=True):
            self._images[send(index, self._images.device)] = images
