"""Load batches of images: bytes converted to floats, and the next batches read while the current one is used."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import torch
from torch import Tensor

from dlcli.support.memory import fits

_DEPTH = 2
"""How many batches are read in advance."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def to_float(x: Tensor) -> Tensor:
    """Convert images to float32 in [0, 1]: floats are returned as they are, bytes are divided by 255."""
    # By a tensor on the device: CUDA multiplies by the reciprocal of a Python number, which rounds some levels differently.
    return x if x.is_floating_point() else x.float().div_(torch.full((), 255.0, device=x.device))


def prefetch(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, depth: int = _DEPTH, workers: int = 1
) -> Generator[_Result, None, None]:
    """Map `function` over `items` in background threads that run up to `depth` items ahead of the consumer.

    The threads start with the first item and end with the iterator, however it ends; a call that still runs then is not
    waited for.

    Args:
        function: Called in a thread. An exception is raised here when the turn of its item comes.
        items: Iterated in the consumer's thread.
        depth: How many results may wait beyond the one that was asked for.
        workers: Number of threads.

    Yields:
        The results, in the order of `items`.
    """
    pool, waiting = ThreadPoolExecutor(workers, thread_name_prefix="dlcli-prefetch"), deque[Future[_Result]]()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Without waiting: the garbage collector may close a dropped iterator in one of these threads, which cannot wait
        # for itself.
        pool.shutdown(wait=False, cancel_futures=True)


def channels_last(x: Tensor) -> Tensor:
    """Convert images (n, c, h, w) to the channels-last memory layout, in which networks are trained; clips stay as they are."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.contiguous()


def to_device(parts: Sequence[Tensor], device: torch.device) -> tuple[Tensor, ...]:
    """Copy tensors that are alike but for their length to `device`, all in one copy."""
    return torch.cat(tuple(parts)).to(device).split([len(part) for part in parts]) if parts else ()


class BatchLoader:
    """Gives batches of images (n, c, h, w) or clips (n, c, t, h, w), floats in [0, 1] or bytes, and their labels on a device.

    Images move to the device once if they fit there, bytes as bytes. What does not fit stays where it is, which may be a file,
    and so do bytes that a CPU trains on: a thread reads the next batches while the current one is used. Bytes become floats on
    the device. The batches are bit for bit the same either way.
    """

    def __init__(self, x: Tensor, y: Tensor, device: torch.device) -> None:
        self.device = device
        if (x.is_floating_point() or device.type != "cpu") and _has_room(x, device):
            x = channels_last(x.to(device))
        self._x, self._y = x, y.to(device)
        self._resident = x.device.type == device.type
        # Floats that a CPU trains on need no thread: picking them is all there is to do.
        self._ahead = not self._resident or (device.type == "cpu" and not x.is_floating_point())
        self._pinned = device.type == "cuda"

    def __len__(self) -> int:
        """Number of images."""
        return len(self._x)

    @property
    def shape(self) -> torch.Size:
        """The shape of one image or clip."""
        return self._x.shape[1:]

    def batches(self, order: Sequence[Tensor]) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Load the batches whose indices are the tensors of `order`, which lie on the CPU.

        Yields:
            The images of a batch, as float32 in the layout of `channels_last`, and its labels, both on the device.
        """
        # The whole order in one copy: a copy for each batch would make the host wait for the device each time.
        there = to_device(order, self.device)
        with closing(self._images(there if self._resident else order)) as images:
            for x, picked in zip(images, there, strict=True):
                yield channels_last(to_float(x.to(self.device, non_blocking=self._pinned))), self._y[picked]

    def _images(self, order: Sequence[Tensor]) -> Generator[Tensor, None, None]:
        return prefetch(self._read, order) if self._ahead else (self._x[picked] for picked in order)

    def _read(self, picked: Tensor) -> Tensor:
        """A batch on the CPU, ready to be used or copied; called in the thread."""
        x = self._x[picked]
        if self.device.type == "cpu":
            return channels_last(to_float(x))
        # Only from pinned memory does a copy leave the host free to go on; one byte travels for each byte of a file.
        return x.pin_memory() if self._pinned else x


def _has_room(x: Tensor, device: torch.device) -> bool:
    """Whether a copy of `x` fits on `device` next to what else training needs there."""
    if device.type == "cuda":
        # Twice the size: for a moment the copy exists in both layouts. Afterwards the second half is left for the network.
        return 2 * x.nbytes <= torch.cuda.mem_get_info(device)[0]
    return fits(x.nbytes)
