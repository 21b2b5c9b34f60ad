"""Calls on batches that may not fit in memory: one that does not is made again on half of the batch."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from dlcli.core.compute.device import out_of_memory, release
from dlcli.support.errors import ResourceError

T = TypeVar("T")


def if_it_fits(function: Callable[[], T], device: torch.device, *, divisible: bool) -> T | None:
    """Call `function`; None if memory did not suffice, so that the caller can divide the work and call again.

    Args:
        function: The call; it may have changed things when it runs out of memory, such as random states.
        device: Where it computes. Before None is returned, memory that torch caches there is freed.
        divisible: Whether the work can be divided further. If not, a lack of memory is raised as it is.

    Returns:
        The result, or None.
    """
    try:
        return function()
    except (RuntimeError, ResourceError) as error:
        if not divisible or not out_of_memory(error.__cause__ or error):
            raise
    # Outside the handler: while it runs, the traceback keeps the tensors of the failed call alive.
    release(device)
    return None


def in_batches(function: Callable[[Tensor], T], x: Tensor, *, size: int, device: torch.device, least: int = 1) -> Iterator[T]:
    """Call `function` on the rows of `x`, batch by batch; a batch that does not fit in memory is halved, as are later ones.

    Args:
        function: Maps a batch to its result, which is not None. It is called again after it ran out of memory.
        x: Rows (n, ...); without any, `function` is called once on none.
        size: Rows per batch at most.
        device: Where `function` computes.
        least: The most rows of a batch that is not halved.

    Yields:
        The results, in the order of the rows.
    """
    begin = 0
    while begin < max(1, len(x)):
        batch = x[begin : begin + size]
        found = if_it_fits(partial(function, batch), device, divisible=len(batch) > least)
        if found is None:
            size = (len(batch) + 1) // 2
        else:
            yield found
            begin += max(1, len(batch))
