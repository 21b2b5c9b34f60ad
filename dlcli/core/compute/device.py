"""Devices, their precision, threads and memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dlcli.support.errors import ResourceError, UsageError
from dlcli.support.plural import count

_KINDS = ("cpu", "cuda", "mps")
_BF16_CAPABILITY = (8, 0)
"""The first of NVIDIA's compute capabilities with bfloat16 in hardware."""
_MAX_BATCH_BYTES = 4 << 20
_OUT_OF_MEMORY = re.compile(
    "CUDA out of memory"  # torch's allocator, where another error repeats its message
    "|CUDA error: out of memory"  # the driver, which other libraries and the kernels themselves ask
    "|(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED|CUDNN_STATUS_INTERNAL_ERROR_(HOST|DEVICE)_ALLOCATION_FAILED"  # the latter from cuDNN 9
    "|MPS backend out of memory"
    "|DefaultCPUAllocator: can't allocate memory"
)


def choose_device(spec: str) -> torch.device:
    """The device that `spec` names: auto, cpu, cuda, cuda:N or mps; auto chooses a GPU if there is one.

    Raises UsageError if `spec` is none of these, and ResourceError if the device does not exist.
    """
    if spec == "auto":
        return torch.device(next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu"))
    kind, colon, index = spec.partition(":")
    if kind not in _KINDS or (colon and (kind != "cuda" or not index.isdecimal())):
        raise UsageError(f"`device`: '{spec}' is not a device", hint="choose from auto, cpu, cuda, cuda:N and mps")
    available = _count(kind)
    if not available:
        raise ResourceError(f"`device`: torch finds no {kind} device", hint="use `device=auto` or `device=cpu`")
    if colon and int(index) >= available:
        raise ResourceError(f"`device`: there is no {spec}", hint=f"torch finds {available}: cuda:0 to cuda:{available - 1}")
    return torch.device(spec)


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(kind == "cpu" or torch.backends.mps.is_available())


def describe_device(device: torch.device) -> str:
    """Name and size of a device for display: `cpu (2 threads)`, `cuda:0 NVIDIA A100`, `mps`."""
    if device.type == "cpu":
        return f"cpu ({count(torch.get_num_threads(), 'thread')})"
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return f"cuda:{index} {torch.cuda.get_device_name(index)}"
    return str(device)


def device_key(device: torch.device) -> str:
    """The device as part of a cache key: its kind and, of a GPU, model and compute capability, on which the bits depend."""
    if device.type != "cuda":
        return device.type
    major, minor = torch.cuda.get_device_capability(device)
    return f"cuda {torch.cuda.get_device_name(device)} {major}.{minor}"


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where `device` computes in it natively, else float32: an emulated bfloat16 is slower than float32."""
    if device.type == "cpu":
        # Older versions of torch do not list the capabilities; float32 is correct everywhere, only slower on some CPUs.
        found: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        native = bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    else:
        # `torch.cuda.is_bf16_supported` asks the current device, which may be another one.
        native = device.type == "cuda" and (
            torch.version.hip is not None or torch.cuda.get_device_capability(device) >= _BF16_CAPABILITY
        )
    return torch.bfloat16 if native else torch.float32


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Let torch use `count` CPU threads (None: as many as now) inside the block; yields the number in use."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def at_a_time(most: int, x: torch.Tensor, device: torch.device) -> int:
    """Batch size for a forward pass over images `x` (n, ...): `most`, or less for large images on a CPU."""
    # The first layers turn more than about 4 MiB of images into activations larger than what the C library keeps for the next
    # call. That memory goes back to the system, which maps and clears every page again in the next call, and clearing takes
    # about as long as the network itself.
    if device.type != "cpu" or not len(x):
        return most
    return max(1, min(most, _MAX_BATCH_BYTES // max(1, 4 * x[0].numel())))


def send(x: torch.Tensor, device: torch.device, layout: torch.memory_format = torch.preserve_format) -> torch.Tensor:
    """`x` on `device`, copied from the host without waiting for what the device computes before."""
    if x.device == device and layout == torch.preserve_format:
        return x
    if x.device.type != "cpu" or device.type in ("cpu", "mps"):
        return x.to(device, memory_format=layout)
    if device.type == "cuda":
        # Only a copy from pinned memory runs beside the computation. It is a copy of its own, so that `x` may change meanwhile;
        # `x.pin_memory()` refuses expanded tensors.
        x = torch.empty_like(x, pin_memory=True).copy_(x)
    return x.to(device, memory_format=layout, non_blocking=True)


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that memory ran out: torch's GPU allocator has a class for it, all else only a message."""
    if not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.OutOfMemoryError) or _OUT_OF_MEMORY.search(str(error)) is not None


def release(device: torch.device) -> None:
    """Free the memory that torch caches on `device`, so that larger blocks can be allocated."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
