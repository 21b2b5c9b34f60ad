"""Fully connected layers with ReLU, 200 units wide: `plain-24` has 24, `plain` has 4; deep ones hardly train."""

from dlcli.core.models.stack_family import StackFamily

_FAMILY = StackFamily("plain", depth=4, lr=1e-3)

SMALLEST, DEPTH, RECIPE = 1, _FAMILY.depth, _FAMILY.recipe

build, check_depth = _FAMILY.build, _FAMILY.check_depth
