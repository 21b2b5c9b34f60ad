"""Maps of what a network's answer depends on, one file of methods/ per method. The package imports no torch.

A module has `explain(model, x, target, settings) -> Maps`, see `dlcli.core.explain.base`.
"""

from dlcli.support.registry import Registry

__all__ = ["METHODS"]

METHODS = Registry("explanation method", "dlcli.core.explain.methods")
