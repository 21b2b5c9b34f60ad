"""Fully connected layers with ReLU, 200 units wide, initialised to a linear map: `looks-linear-24` has 24 of them."""

from dlcli.core.models.stack_family import StackFamily

_FAMILY = StackFamily("looks-linear", depth=24, lr=3e-4)

SMALLEST, DEPTH, RECIPE = 1, _FAMILY.depth, _FAMILY.recipe

build, check_depth = _FAMILY.build, _FAMILY.check_depth
