"""Counts how often the host waits for the fake device, where it would wait for a GPU."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.fake_device import FAKE, FakeTensor

_WAITING = {
    "_local_scalar_dense",  # item, bool, int, float
    "nonzero",
    "masked_select",
    "equal",
    "bincount",
    "unique_dim",
    "unique_consecutive",
    "_unique",
    "_unique2",
}
"""Operations whose result or its shape the host must know."""

_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}


class Synchronisations(TorchDispatchMode):
    """Inside the block `counted` has the number of waits by their kind; the block is inside `fake_device`.

    The host waits for operations with a result that it must know, among them indexing by a mask, for copies from the device,
    and for copies to it unless they are `non_blocking`. Empty tensors are not copied.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """The number of waits."""
        return self.counted.total()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.counted.update(_waits(func.overloadpacket.__name__, args, kwargs))
        return func(*args, **kwargs)


def _waits(name: str, args: Any, kwargs: Any) -> list[str]:
    """The kinds of waits of one operation."""
    if name == "_to_copy":
        to = kwargs.get("device")
        there = isinstance(args[0], FakeTensor) if to is None else torch.device(to) == FAKE
        return _copy(args[0], there, kwargs.get("non_blocking", False))
    if name == "copy_":
        return _copy(args[1], isinstance(args[0], FakeTensor), args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
    if not any(isinstance(arg, FakeTensor) for arg in args):
        return []
    if name in _INDEXING:
        indices = [index for index in args[1] if index is not None]
        masks = [name + " by a mask" for index in indices if index.dtype in (torch.bool, torch.uint8)]
        return masks + [name + " by indices on the host" for index in indices if not isinstance(index, FakeTensor)]
    if name == "repeat_interleave":
        return [name] if kwargs.get("output_size") is None else []
    return [name] if name in _WAITING else []


def _copy(source: Tensor, there: bool, non_blocking: bool) -> list[str]:
    here = not isinstance(source, FakeTensor)
    if here != there or not source.numel():
        return []
    if here:
        return [] if non_blocking else ["copy to the device"]
    if non_blocking:
        raise AssertionError("a copy from the device without a wait for it: its values may not have arrived")
    return ["copy from the device"]
