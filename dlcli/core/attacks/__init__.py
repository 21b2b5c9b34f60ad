"""Attacks, one file each; `load_attack("fgsm")` is the one of `fgsm.py`. Importing this package imports no torch."""

from typing import TYPE_CHECKING

from dlcli.support.registry import Registry

if TYPE_CHECKING:
    from dlcli.core.attacks.base import Attack

REGISTRY = Registry("attack", "dlcli.core.attacks.methods")


def load_attack(name: str) -> "Attack":
    """The attack called `name`; raises UsageError with the nearest name when there is none."""
    attack: Attack = REGISTRY.module(name).ATTACK
    return attack
