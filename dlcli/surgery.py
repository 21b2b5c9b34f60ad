"""The surgeries as functions: `from dlcli.surgery import erase_relu`, then `erase_relu(model)` is a changed copy."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcli.api.surgery import Operation


def __getattr__(name: str) -> "Operation":
    """The surgery of this name, underscores for hyphens."""
    if name.startswith("_"):
        raise AttributeError(name)
    found: Any = import_module("dlcli.api.surgery").operation(name)
    globals()[name] = found
    return found  # type: ignore[no-any-return]


def __dir__() -> list[str]:
    return list(import_module("dlcli.api.surgery").operation_names())
