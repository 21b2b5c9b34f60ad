"""Networks by what is typed at the shell: `from dlcli.models import load`, then `load("runs/mine")` is an nn.Module."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcli.api.models import LoadedFacts, load

__all__ = ["LoadedFacts", "load"]


def __getattr__(name: str) -> Any:
    """Import the functions when they are first used."""
    if name not in __all__:
        raise AttributeError(f"module 'dlcli.models' has no attribute '{name}'")
    return globals().setdefault(name, getattr(import_module("dlcli.api.models"), name))
