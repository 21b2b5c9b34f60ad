"""Checks for NaN and infinity that wait for the device a few at a time.

A test in an `if` makes the host wait until the device has computed it, and the device then waits for the host. So a check
gives the number of bad values as a tensor, and inside `deferred_checks` these are looked at together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from dlcli.support.errors import NumericError

_AT_A_TIME = 32
"""After how many checks they are looked at: a few steps of an attack, each of which makes two."""


_Check = tuple[Tensor, Callable[[int], NumericError]]

_DEFERRED: ContextVar[list[_Check] | None] = ContextVar("deferred checks", default=None)


def require_none(bad: Tensor, error: Callable[[int], NumericError]) -> None:
    """Raise `error(n)` unless the count `bad`, a tensor of one integer, is 0: at once, or in `deferred_checks` later."""
    deferred = _DEFERRED.get()
    if deferred is None:
        _look([(bad, error)])
        return
    deferred.append((bad, error))
    if len(deferred) >= _AT_A_TIME:
        _look(deferred)


@contextmanager
def deferred_checks() -> Iterator[None]:
    """Inside the block `require_none` may raise later than it is called, at the latest at the end of the block.

    The error is that of the first check that fails. It also replaces any other exception that ends the block, which NaN may
    have caused. A block inside the block has its own checks.
    """
    checks: list[_Check] = []
    token = _DEFERRED.set(checks)
    try:
        yield
    except Exception:
        _look(checks)
        raise
    else:
        _look(checks)
    finally:
        _DEFERRED.reset(token)


def _look(checks: list[_Check]) -> None:
    """Raise the error of the first check that fails, and forget them all."""
    looked, checks[:] = checks[:], []
    if not looked:
        return
    counts = torch.stack([bad for bad, _ in looked]).tolist() if len(looked) > 1 else [int(looked[0][0])]
    for count, (_, error) in zip(counts, looked, strict=True):
        if count:
            raise error(count)
