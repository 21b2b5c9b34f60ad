"""Fully connected layers with batch normalisation and ReLU, 200 units wide: `bn-24` has 24 of them, `bn` has 4."""

from dlcli.core.models.stack_family import StackFamily

_FAMILY = StackFamily("bn", depth=4, lr=1e-3)

SMALLEST, DEPTH, RECIPE = 1, _FAMILY.depth, _FAMILY.recipe

build, check_depth = _FAMILY.build, _FAMILY.check_depth
