"""Load batches of images: bytes converted to floats, and the next batches read while the current one is used."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
    return x if x.is_floating_point() else x.float().div_(255)


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


class BatchLoader:
    """Moves images (n, c, h, w) or clips (n, c, t, h, w), floats in [0, 1] or bytes, to a device batch by batch.

    Floats move to the device once if they fit there. Bytes stay where they are, which may be a file, and a thread reads and
    converts the next batches while the current one is used. The batches are bit for bit the same either way.
    """

    def __init__(self, x: Tensor, device: torch.device) -> None:
        self.device = device
        whole = x.is_floating_point() and _has_room(x, device)
        self._x = channels_last(x.to(device)) if whole else x

    def __len__(self) -> int:
        """Number of images."""
        return len(self._x)

    def batches(self, order: Sequence[Tensor]) -> Generator[Tensor, None, None]:
        """Yield the images of each tensor of indices in `order`, as float32 on the device, in the layout of `channels_last`."""
        if self._x.is_floating_point():
            return (self._batch(picked).to(self.device) for picked in order)
        return (batch.to(self.device) for batch in prefetch(self._batch, order))

    def _batch(self, picked: Tensor) -> Tensor:
        return channels_last(to_float(self._x[picked.to(self._x.device)]))


def _has_room(x: Tensor, device: torch.device) -> bool:
    """Whether a copy of `x` fits on `device` next to what else training needs there."""
    if device.type == "cuda":
        # Twice the size: for a moment the copy exists in both layouts. Afterwards the second half is left for the network.
        return 2 * x.nbytes <= torch.cuda.mem_get_info(device)[0]
    return fits(x.nbytes)
