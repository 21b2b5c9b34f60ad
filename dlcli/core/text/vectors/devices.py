"""What an accelerator does with vectors of texts. Nothing here imports torch unless an accelerator may be used."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dlcli.core.text.vectors import VECTORS
from dlcli.support.errors import UsageError

if TYPE_CHECKING:
    import torch


def device_use(spec: str) -> str:
    """What an accelerator can do with such vectors, "vectors", "search" or ""; raises UsageError if there is no such kind."""
    use: str = VECTORS.module(spec.partition(":")[0]).DEVICE
    return use


def check_device(device: str, used: bool, what: str) -> None:
    """Refuse an accelerator that is named but not `used`, or that does not exist.

    Raises UsageError, for which `what` completes "... on the CPU", and what `choose_device` raises.
    """
    if device in ("auto", "cpu"):
        return
    if not used:
        raise UsageError(f"`device`: {what} on the CPU", hint="omit `device`")
    from dlcli.core.compute.device import choose_device

    choose_device(device)


def search_device(spec: str, device: str) -> "torch.device | None":
    """The accelerator that searches among vectors of the kind `spec`; None for the CPU.

    auto looks for one only where torch computes the vectors: importing torch for nothing else costs more than searching
    among thousands of rows. Raises what `choose_device` raises.
    """
    use = device_use(spec)
    if device == "cpu" or not use or (device == "auto" and use != "vectors"):
        return None
    from dlcli.core.compute.device import choose_device

    found = choose_device(device)
    return None if found.type == "cpu" else found


def describe_encoding(spec: str, device: str) -> Mapping[str, str]:
    """The kind of device and the precision that vectors of this kind depend on; empty if torch does not compute them.

    Raises what `choose_device` raises.
    """
    if device_use(spec) != "vectors":
        return {}
    from dlcli.core.compute.device import choose_device

    return {"device": choose_device(device).type, "dtype": VECTORS.module(spec.partition(":")[0]).DTYPE}
