"""Losses by name; each module of the registry has `OBJECTIVE`, a class of `Objective`.

`cross-entropy` is of classes; the others are of scores (`ScoreObjective`), and read a score from the outputs of a network.
"""

from dlcli.support.registry import Registry

__all__ = ["OBJECTIVES"]

OBJECTIVES = Registry("loss", "dlcli.core.objectives")
