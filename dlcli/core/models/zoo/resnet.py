"""Residual layers x + W relu(BN(x)), 200 units wide: `resnet-24` has 24 of them; `resnet18` is torchvision's."""

from dlcli.core.models.stack_family import StackFamily

_FAMILY = StackFamily("resnet", depth=8, lr=1e-3)

SMALLEST, DEPTH, RECIPE = 1, _FAMILY.depth, _FAMILY.recipe

build, check_depth = _FAMILY.build, _FAMILY.check_depth
