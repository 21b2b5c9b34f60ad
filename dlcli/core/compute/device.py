"""Which device computes, in which precision, on how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dlcli.support.errors import ResourceError, UsageError
from dlcli.support.plural import count

_KINDS = ("cpu", "cuda", "mps")
_AT_A_TIME = 4 << 20


def choose_device(spec: str) -> torch.device:
    """The device that `spec` names: auto, cpu, cuda, cuda:N or mps; auto takes a GPU if there is one.

    Raises UsageError if `spec` is none of these and ResourceError if the device is not there.
    """
    if spec == "auto":
        return torch.device(next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu"))
    kind, colon, index = spec.partition(":")
    if kind not in _KINDS or (colon and (kind != "cuda" or not index.isdecimal())):
        raise UsageError(f"--device: '{spec}' is not a device", hint="auto, cpu, cuda, cuda:N or mps")
    there = _count(kind)
    if not there:
        raise ResourceError(f"--device: torch finds no {kind} device here", hint="use --device auto or cpu")
    if colon and int(index) >= there:
        raise ResourceError(f"--device: there is no {spec}", hint=f"torch finds {there}: cuda:0 to cuda:{there - 1}")
    return torch.device(spec)


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(kind == "cpu" or torch.backends.mps.is_available())


def describe_device(device: torch.device) -> str:
    """For people: `cpu (2 threads)`, `cuda:0 NVIDIA A100`, `mps`."""
    if device.type == "cpu":
        return f"cpu ({count(torch.get_num_threads(), 'thread')})"
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return f"cuda:{index} {torch.cuda.get_device_name(index)}"
    return str(device)


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where `device` computes in it natively, else float32: an emulated bfloat16 is slower than float32."""
    if device.type == "cpu":
        # Older torch has no such list; float32 is right everywhere, only slower on some.
        found: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        native = bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    else:
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Let torch use `count` CPU threads (None: as many as it uses now) inside the block; yields the number in force."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def at_a_time(most: int, x: torch.Tensor, device: torch.device) -> int:
    """How many of the images `x` (n, ...) a network on `device` is given at a time: `most`, and on a CPU less of large ones.

    What the first layers make of more than some 4 MiB of images is larger than what the C library keeps for the next call: it
    goes back to the system, which hands out and clears every page anew, and that takes about as long as the network does.
    """
    if device.type != "cpu" or not len(x):
        return most
    return max(1, min(most, _AT_A_TIME // max(1, 4 * x[0].numel())))


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: a GPU's allocator has a class for it, the CPU's has only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def release(device: torch.device) -> None:
    """Give memory that torch keeps for later back to `device`, so that larger pieces can be had."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
