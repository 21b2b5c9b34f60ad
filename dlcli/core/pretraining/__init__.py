"""Pre-training by name; each module of the registry has `pretraining(settings) -> Pretraining`."""

from dlcli.support.registry import Registry

__all__ = ["PRETRAINING"]

PRETRAINING = Registry("pre-training", "dlcli.core.pretraining")
