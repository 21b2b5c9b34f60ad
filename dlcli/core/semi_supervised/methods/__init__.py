"""Semi-supervised methods by name; each module has `method(settings) -> SemiSupervised`."""

from dlcli.support.registry import Registry

__all__ = ["SEMI_SUPERVISED"]

SEMI_SUPERVISED = Registry("semi-supervised method", "dlcli.core.semi_supervised.methods")
