"""Where examples come from: a registry; each module claims some specs and loads them."""

from typing import TYPE_CHECKING

from dlcli.support.errors import UsageError
from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.data.base import ImageData

SOURCES = Registry("data source", "dlcli.core.data")


def open_data(spec: str) -> "ImageData":
    """Load what `spec` names into memory; asks each module of this package whether it claims `spec`.

    Raises UsageError if none does, and InputError if the data cannot be used.
    """
    modules = [SOURCES.module(name) for name in SOURCES.names()]
    for module in modules:
        if module.claims(spec):
            data: ImageData = module.load(spec)
            return data
    raise UsageError(f"--data: '{spec}' is no kind of data", hint=f"it may be {', or '.join(m.MEANS for m in modules)}")
