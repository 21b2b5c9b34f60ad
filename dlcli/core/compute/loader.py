"""Images on their way to the network: floats made of bytes, and the next batches read while the current one trains."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from dlcli.support.memory import fits

_AHEAD = 2
"""How many batches are read before they are asked for."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def to_float(x: Tensor) -> Tensor:
    """Images as float32 in [0, 1]: `x` itself if it holds floats, else its bytes divided by 255."""
    return x if x.is_floating_point() else x.float().div_(255)


def prefetch(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, depth: int = _AHEAD, workers: int = 1
) -> Generator[_Result, None, None]:
    """`function` of each item, in order, worked out in threads for up to `depth` items more than were asked for.

    What `function` raises is raised here, in its turn. The threads start when the first item is asked for and end with the
    iterator, however it ends; what they are at then is not waited for.
    """
    pool, waiting = ThreadPoolExecutor(workers, thread_name_prefix="dlcli-ahead"), deque[Future[_Result]]()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Without waiting, since the collector may close an iterator that was let go in one of these very threads.
        pool.shutdown(wait=False, cancel_futures=True)


def channels_last(x: Tensor) -> Tensor:
    """`x` in the layout in which networks are trained: channels last where it has four axes; clips stay as they are."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.contiguous()


class Feed:
    """Images `x` (n, c, h, w) or clips (n, c, t, h, w), floats in [0, 1] or bytes, handed to `device` a batch at a time.

    Floats move to the device once if they fit there. Bytes stay where they are, which may be a file, and a thread reads and
    converts the next batches while the current one is used. The batches are the same to the bit either way.
    """

    def __init__(self, x: Tensor, device: torch.device) -> None:
        self.device = device
        whole = x.is_floating_point() and _has_room(x, device)
        self._x = channels_last(x.to(device)) if whole else x

    def __len__(self) -> int:
        """How many images there are."""
        return len(self._x)

    def batches(self, order: Sequence[Tensor]) -> Generator[Tensor, None, None]:
        """For each tensor of indices in `order` its images: float32 on the device, as `channels_last` says."""
        if self._x.is_floating_point():
            return (self._batch(picked).to(self.device) for picked in order)
        return (batch.to(self.device) for batch in prefetch(self._batch, order))

    def _batch(self, picked: Tensor) -> Tensor:
        return channels_last(to_float(self._x[picked.to(self._x.device)]))


def _has_room(x: Tensor, device: torch.device) -> bool:
    """Whether a copy of `x` can live on `device` beside what else training needs there."""
    if device.type == "cuda":
        # Twice: the copy and its other layout, at once; afterwards the second half is the network's.
        return 2 * x.nbytes <= torch.cuda.mem_get_info(device)[0]
    return fits(x.nbytes)
