"""How exactly floats are computed: float32 in full or as TF32, and float64 on devices that have none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

WITHOUT_FLOAT64 = {"mps"}
"""The kinds of devices that refuse float64."""

_GENERAL: Any = torch.backends
_CUDNN: Any = torch.backends.cudnn
_MKLDNN: Any = torch.backends.mkldnn
_PARENTS = (_GENERAL, _CUDNN, _MKLDNN)
"""Where a setting that is "none" is looked up: for its library, then the general one."""
_ON_GPU = (_CUDNN.conv, _CUDNN.rnn, torch.backends.cuda.matmul)
_ALL = (*_PARENTS, *_ON_GPU, _MKLDNN.conv, _MKLDNN.rnn, _MKLDNN.matmul)


def float64_device(device: torch.device) -> torch.device:
    """Where float64 tensors of `device` are computed: there, or on the CPU if it has no float64 (Apple's GPUs)."""
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def to_float64(x: Tensor) -> Tensor:
    """`x` as float64, on its `float64_device`."""
    return x.to(float64_device(x.device)).double()


@contextmanager
def float32_precision(precision: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Set how float32 is multiplied inside the block, in convolutions, recurrent layers and matrix products.

    With `ieee` in float32, on every device: for all that is reported. With `tf32` GPUs may round the factors to 10 bits, which
    is several times as fast and exact enough for training; a CPU computes as set outside. Whatever was set outside, by
    either of torch's two interfaces, does not matter inside and is restored at the end.
    """
    saved = _read_settings()
    try:
        _change(precision, saved)
        yield
    finally:
        _restore(saved)


class _Settings(NamedTuple):
    """The values of `_ALL` as they were set, and what torch's older interface holds beside them.

    `convolutions` is its `cudnn.allow_tf32`, `products` its `get_float32_matmul_precision()`.
    """

    values: tuple[str, ...]
    convolutions: bool
    products: str


def _read_settings() -> _Settings:
    values = []
    for node in _ALL:
        values.append(node.fp32_precision)
        if node in _PARENTS:  # with its parents at "none" the next one reads as it was set, not as it was inherited
            _write(node, "none")
    convolutions, products = _read_older()
    for node, value in zip(_ALL, values, strict=True):
        _write(node, value)
    return _Settings(tuple(values), convolutions, products)


def _read_older() -> tuple[bool, str]:
    """What the older interface holds; changes the newer settings."""
    # torch raises where the two disagree, so each is read in a state in which that gives the answer away, or cannot be.
    for node in (_CUDNN.conv, _CUDNN.rnn):
        _write(node, "tf32")
    try:
        convolutions = bool(_CUDNN.allow_tf32)
    except RuntimeError:
        convolutions = False
    for node in (torch.backends.cuda.matmul, _MKLDNN.matmul):
        _write(node, "ieee")
    return convolutions, torch.get_float32_matmul_precision()


def _change(precision: Literal["ieee", "tf32"], saved: _Settings) -> None:
    # The older interface first, since it writes the newer settings. It must agree with them inside, or reading it would raise,
    # as the code of a network does with torch.backends.cudnn.flags.
    _CUDNN.allow_tf32 = precision == "tf32"
    if precision == "ieee" or saved.products == "highest":
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    for node in _ON_GPU if precision == "tf32" else _ALL:
        _write(node, precision)


def _restore(saved: _Settings) -> None:
    _CUDNN.allow_tf32 = saved.convolutions
    torch.set_float32_matmul_precision(saved.products)
    for node, value in zip(_ALL, saved.values, strict=True):
        _write(node, value)


def _write(node: Any, value: str) -> None:
    if node is _MKLDNN:
        node.set_flags(_fp32_precision=value)  # its attribute writes the general setting instead, up to torch 2.14
    else:
        node.fp32_precision = value
