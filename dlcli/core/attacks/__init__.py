"""Attacks, one file of methods/ per attack: `load_attack("fgsm")` gives that of `fgsm.py`. The package imports no torch."""

from typing import TYPE_CHECKING

from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.attacks.base import Attack

__all__ = ["REGISTRY", "load_attack"]

REGISTRY = Registry("attack", "dlcli.core.attacks.methods")


def load_attack(name: str) -> "Attack":
    """The attack of this name; raises UsageError, with the nearest name, if there is none."""
    attack: Attack = REGISTRY.module(name).ATTACK
    return attack
