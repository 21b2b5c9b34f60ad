"""Whether torchrun started this process beside others, and which of them it is."""

import os
from typing import NamedTuple


class Launch(NamedTuple):
    """One of the processes that torchrun started.

    Attributes:
        rank: Its number among all of them, from 0; the first one writes and prints.
        size: How many there are on all machines.
        local_rank: Its number on this machine, from 0.
        local_size: How many there are on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def launched() -> Launch:
    """What the environment says; a process by itself if it has no WORLD_SIZE above 1, or no RANK."""
    size = _number("WORLD_SIZE", 1)
    if size <= 1 or "RANK" not in os.environ:
        return Launch()
    return Launch(_number("RANK", 0), size, _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1))


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default
