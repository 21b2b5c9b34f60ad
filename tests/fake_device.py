"""A second device that computes on the CPU, refuses tensors of another device, and float64 as Apple's GPUs do.

Its tensors report the device `meta`, because autograd of a build without a GPU runs no other kind; unlike real `meta` tensors
they hold values. They behave as on a GPU: a float64 tensor there is a TypeError, an operation on tensors of both devices a
RuntimeError, except that single numbers and indices may be on the CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

FAKE = torch.device("meta")

_REFUSED = {torch.float64}

_MAY_MIX = {"_to_copy", "copy_", "index", "index_put_", "_index_put_impl_", "index_put"}


class FakeTensor(Tensor):
    """A tensor on the fake device; `inner` is the tensor on the CPU that holds its values."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "FakeTensor":
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=FAKE,
        )
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def new_tensor(self, data: Any, **options: Any) -> Tensor:
        return torch.tensor(data, **{"dtype": self.dtype, **options}).to(FAKE)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"FakeTensor({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _FakeDevice(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Constants(TorchFunctionMode):
    """Lets `torch.tensor` and `torch.as_tensor` keep their values: of a `meta` tensor torch keeps the shape only."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and torch.device(kwargs.get("device") or "cpu") == FAKE:
            return func(*args, **{**kwargs, "device": None}).to(FAKE)
        return func(*args, **kwargs)


@contextmanager
def fake_device(*, float64: bool = False) -> Iterator[torch.device]:
    """Inside the block tensors can be made on the device that it yields, and moved there and back; with float64 or not."""
    refused = set(_REFUSED)
    with _FakeDevice(), _Constants():
        if float64:
            _REFUSED.clear()
        try:
            yield FAKE
        finally:
            _REFUSED.update(refused)


def _compute(func: Any, args: Any, kwargs: Any) -> Any:
    tensors = [leaf for leaf in _leaves([*args, *kwargs.values()]) if isinstance(leaf, Tensor)]
    fakes = [one for one in tensors if isinstance(one, FakeTensor)]
    name = func.overloadpacket.__name__
    mixed = len(fakes) not in (0, len(tensors)) and any(one.dim() for one in tensors if not isinstance(one, FakeTensor))
    if mixed and name not in _MAY_MIX:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, found one on the CPU")
    given = kwargs.get("device")
    there = torch.device(given) == FAKE if given is not None else bool(fakes)
    if name == "copy_":
        there = isinstance(args[0], FakeTensor)
    if given is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if fakes:
        args, kwargs = _inner(args), _inner(kwargs)
    found = func(*args, **kwargs)
    return _outer(found, {id(one.inner): one for one in fakes}, name) if there else found


def _leaves(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _inner(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_inner, value))
    if isinstance(value, dict):
        return {key: _inner(one) for key, one in value.items()}
    return value.inner if isinstance(value, FakeTensor) else value


def _outer(value: Any, known: dict[int, FakeTensor], name: str) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_outer(one, known, name) for one in value)
    if not isinstance(value, Tensor):
        return value
    if value.dtype in _REFUSED:
        raise TypeError(f"{name}: cannot convert a tensor to float64, for this device has no float64")
    return known[id(value)] if id(value) in known else FakeTensor(value)
