"""Deterministic algorithms while a network trains, and the names of the operations that have none."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.deterministic

_CUDNN: Any = torch.backends.cudnn
_SETTINGS: Any = torch.utils.deterministic  # its one attribute is made when the module is loaded
_WARNED = r".*determinis"
"""How torch's warnings of such operations begin, in any case."""
_NAMED = re.compile(r"(\S+) does not have a deterministic implementation")
_MATRIX_PRODUCTS = "matrix products (set CUBLAS_WORKSPACE_CONFIG=:4096:8 before torch first uses the GPU)"


@contextmanager
def deterministic(found: set[str]) -> Iterator[None]:
    """Let torch use deterministic algorithms inside the block, and go on where an operation has none.

    The names of such operations are added to `found`, and torch's warnings of them are not shown.
    """
    before, fill = torch.get_deterministic_debug_mode(), _SETTINGS.fill_uninitialized_memory
    with warnings.catch_warnings(), _steady_cudnn():
        warnings.filterwarnings("always", message=_WARNED)
        warnings.showwarning = _collecting(found, warnings.showwarning)
        torch.set_deterministic_debug_mode(max(before, 1))  # 1 is to warn, 2 to raise an error
        # Otherwise torch writes NaN into all memory that it allocates.
        _SETTINGS.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)
            _SETTINGS.fill_uninitialized_memory = fill


@contextmanager
def _steady_cudnn() -> Iterator[None]:
    # Not by `cudnn.flags`, which sets TF32 too, and raises where a caller has set that by the newer of torch's two interfaces.
    before = _CUDNN.enabled, _CUDNN.benchmark, _CUDNN.deterministic
    # Without `benchmark`, which chooses kernels by their speed at the moment, and so not the same ones in every run.
    _CUDNN.enabled, _CUDNN.benchmark, _CUDNN.deterministic = True, False, True
    try:
        yield
    finally:
        _CUDNN.enabled, _CUDNN.benchmark, _CUDNN.deterministic = before


def _collecting(found: set[str], show: Callable[..., None]) -> Callable[..., None]:
    """A `warnings.showwarning` that adds the operation to `found`, and passes other warnings on to `show`."""

    def collect(message: Warning | str, *arguments: object, **options: object) -> None:
        if re.match(_WARNED, str(message), re.IGNORECASE):
            found.add(_operation(str(message)))
        else:
            show(message, *arguments, **options)

    return collect


def _operation(warning: str) -> str:
    named = _NAMED.match(warning)
    if named is not None:
        return named[1]
    return _MATRIX_PRODUCTS if "CuBLAS" in warning else warning.partition(".")[0]
