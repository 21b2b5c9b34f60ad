"""Counts what makes a host wait for a device, without one: `meta` stands for the device."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")

_SYNCHRONISING = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "_unique2", "unique_dim", "equal")
_INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")
_MADE_FROM_PYTHON = ("tensor", "as_tensor", "scalar_tensor", "new_tensor")


class Transfers(TorchDispatchMode):
    """Inside the block, counts blocking copies from the host to `meta`, and operations on `device` for which the host waits."""

    def __init__(self, device: torch.device = META) -> None:
        super().__init__()
        self.device = device
        self.copies, self.bytes, self.synchronised = 0, 0, []
        self._made = _Made(self)

    def __enter__(self) -> "Transfers":
        self._made.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._made.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name == "_to_copy" and kwargs.get("device") == META and args[0].device != META and not kwargs.get("non_blocking"):
            self.count(args[0])
        if name == "copy_" and args[0].device == META and args[1].device != META and not (args[2:] and args[2]):
            self.count(args[1])
        if (name in _SYNCHRONISING or _counts_a_mask(name, args)) and args[0].device == self.device:
            self.synchronised.append(name)
        return func(*args, **kwargs)

    def count(self, copied: torch.Tensor) -> None:
        self.copies, self.bytes = self.copies + 1, self.bytes + copied.nbytes


def _counts_a_mask(name: str, args: Any) -> bool:
    """Whether an operation picks by a mask, of which the host must know the number; one value is put without that."""
    masked = name in _INDEXING and any(index is not None and index.dtype == torch.bool for index in args[1])
    return masked and (name == "index" or args[2].numel() > 1)


class _Made(TorchFunctionMode):
    """A tensor made on a device from Python numbers is a copy from the host, which is not seen as one below."""

    def __init__(self, transfers: Transfers) -> None:
        super().__init__()
        self.transfers = transfers

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in _MADE_FROM_PYTHON and found.device == META:
            self.transfers.count(found)
        return found
