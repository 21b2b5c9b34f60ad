"""Calls on batches that may not fit in memory: one that does not is made again on half of the batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from dlcli.core.compute.device import at_a_time, out_of_memory, release
from dlcli.support.errors import ResourceError

T = TypeVar("T")

_PART_ON_CPU, _PART_ON_GPU = 256, 2048
"""About how many rows a part has. At the end of each a batch may not be full, which costs time on a GPU."""


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
    if not len(x):
        yield function(x)
        return
    yield from FittingParts(size, device, least=least).map(lambda begin, end: function(x[begin:end]), len(x))


class FittingParts:
    """Splits rows into parts of at most `size`; one that does not fit in memory is halved, as are all later ones.

    It is for work that is done again and again, such as the steps of an attack: `size` falls to what fits. Parts of
    at most `least` rows are not halved.
    """

    def __init__(self, size: int, device: torch.device, *, least: int = 1) -> None:
        self.size, self._device, self._least = size, device, least

    def map(self, function: Callable[[int, int], T], rows: int) -> Iterator[T]:
        """The results of `function(begin, end)` for consecutive parts of `rows` rows.

        A result is not None. `function` is called again after it ran out of memory, so it changes nothing before it is done. It
        may split its own work by these parts, and so lower `size` itself.
        """
        begin = 0
        while begin < rows:
            end = min(begin + self.size, rows)
            found = if_it_fits(partial(function, begin, end), self._device, divisible=end - begin > self._least)
            if found is None:
                self.size = min(self.size, (end - begin + 1) // 2)
            else:
                yield found
                begin = end


def parts_apart(x: Tensor, batch_size: int, device: torch.device) -> list[slice]:
    """Cut rows into parts that can be computed apart, in the batches in which all of them are computed together.

    Args:
        x: Rows (n, ...).
        batch_size: Rows per batch at most, of which a CPU takes less if they are large.
        device: Where they are computed.

    Returns:
        The parts in order, which hold all rows: whole batches, but for the last one. They depend on nothing else.
    """
    batch = at_a_time(batch_size, x, device)
    size = batch * max(1, (_PART_ON_CPU if device.type == "cpu" else _PART_ON_GPU) // batch)
    ends = [*range(size, max(1, round(len(x) / size)) * size, size), len(x)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


@contextmanager
def memory_error_context(message: str, hint: str) -> Iterator[None]:
    """Turn a lack of memory into a ResourceError."""
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise ResourceError(message, hint=hint) from error
