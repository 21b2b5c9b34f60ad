"""The processes that torchrun starts to train one network together, called ranks, and what they exchange."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from dlcli.core.compute.device import choose_device
from dlcli.support.errors import ResourceError, UsageError
from dlcli.support.launch import launched
from dlcli.support.plural import count

T = TypeVar("T")

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ranks:
    """This process, number `rank` of `size`. What it exchanges with the others they must all ask for, in the same order.

    Raises ResourceError where another rank has ended.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.rank == 0

    def part(self, x: Tensor) -> Tensor:
        """The rows of `x` (n, ...) that this rank computes; they differ by one at most between ranks."""
        return x.tensor_split(self.size)[self.rank]

    def add_up(self, x: Tensor) -> None:
        """Replace `x` by its sum over all ranks, which is bit for bit the same on each."""
        with _explained():
            dist.all_reduce(x)

    def of_first(self, function: Callable[[], T]) -> T:
        """What `function` returns in the first rank; the others do not call it."""
        return self._of(0, function)

    def of_each(self, value: T) -> list[T]:
        """The values of all ranks, in order."""
        return [self._of(rank, lambda: value) for rank in range(self.size)]

    def agreed(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """A function that is true on all ranks once `stop` is on any of them."""
        if self.size == 1:
            return stop

        def any_stops() -> bool:
            # On the CPU, whatever the device: the host has to read it after each step, which must not wait for the device.
            asked = torch.tensor([int(stop())])
            self.add_up(asked)
            return bool(asked)

        return any_stops

    def _of(self, rank: int, function: Callable[[], T]) -> T:
        if self.size == 1:
            return function()
        found: list[Any] = [function() if self.rank == rank else None]
        with _explained():
            dist.broadcast_object_list(found, src=rank, device=_CPU)
        value: T = found[0]
        return value


_CURRENT: ContextVar[Ranks] = ContextVar("_CURRENT", default=Ranks())  # noqa: B039 - it never changes


def current_ranks() -> Ranks:
    """The ranks that work together here; one, unless inside `joined`."""
    return _CURRENT.get()


def device_of_rank(spec: str) -> torch.device:
    """The device that `spec` names, as `choose_device`; of several ranks each has a GPU of its own.

    Raises UsageError if `spec` names a GPU that all ranks would share, and ResourceError if there are fewer GPUs than ranks.
    """
    here = launched()
    if here.size == 1:
        return choose_device(spec)
    device = _CPU if spec == "auto" and not torch.cuda.is_available() else choose_device(spec)
    if device.type == "cpu":
        return device
    if device.type != "cuda" or device.index is not None:
        message = f"`device`: several processes cannot share {spec}"
        raise UsageError(message, hint="use `device=cuda`, which gives each its own GPU, or `device=cpu`")
    if here.local_size > torch.cuda.device_count():
        there = count(torch.cuda.device_count(), "GPU")
        raise ResourceError(f"torchrun started {here.local_size} processes, and torch finds {there}", hint="start one a GPU")
    return torch.device("cuda", here.local_rank)


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Work together with the other processes of torchrun inside the block, if there are any.

    Args:
        device: That of this process, as `device_of_rank` gives it.

    Yields:
        The ranks, one if torchrun did not start this process.

    Raises:
        ResourceError: If the other processes cannot be reached.
    """
    here = launched()
    if here.size == 1:
        yield Ranks()
        return
    own = not dist.is_initialized()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if own:
        _import_users()
        try:
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ResourceError(f"the other processes cannot be reached: {reason}", hint="start them with torchrun") from error
    token = _CURRENT.set(Ranks(here.rank, here.size))
    try:
        yield _CURRENT.get()
    finally:
        _CURRENT.reset(token)
    if own:  # not after an error: it would wait for ranks that may have ended
        with _explained():
            dist.barrier()  # none closes its connections while another still uses them
        dist.destroy_process_group()


def _import_users() -> None:
    """Import what takes the process group as a default of its functions if it is imported while there is one.

    The first step of an optimizer would import it, and these defaults would keep the group with its threads until the
    interpreter ends. A thread that then gives up a tensor, and with it a Python object, waits for a lock that it no longer
    gets, and the process is aborted.
    """
    import torch.distributed.nn.functional  # noqa: F401


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        message = "another process of this training has ended, or cannot be reached any more"
        raise ResourceError(message, hint="what it printed says why; `resume` continues after the last whole epoch") from error
