"""The attacks by class name: `from dlcli.attacks import PGD`, then `PGD(steps=40)(model, x, y, eps=8 / 255)`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcli.api.attacks import AttackMethod


def __getattr__(name: str) -> "type[AttackMethod]":
    """The attack whose class has this name."""
    if name.startswith("_"):
        raise AttributeError(name)
    found: Any = import_module("dlcli.api.attacks").method_class(name)
    globals()[name] = found
    return found  # type: ignore[no-any-return]


def __dir__() -> list[str]:
    return list(import_module("dlcli.api.attacks").class_names())
