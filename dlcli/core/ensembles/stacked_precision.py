"""In which precision vmap and autocast together compute: they do not work together everywhere."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dlcli.core.compute.device import out_of_memory
from dlcli.core.compute.rng import preserved

_PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot", "linear"})
_PRODUCT_WORDS = ("conv", "attention")


def reduced_throughout(stack: nn.Module, images: Tensor, dtype: torch.dtype) -> bool:
    """Whether autocast to `dtype` reaches every convolution and matrix product of `stack` on the device of `images`.

    False as well if `stack` fails then. A copy is trained a step: `stack` and the random state stay.
    """
    trial, seen = copy.deepcopy(stack).train(), _ProductTypes()
    with preserved(), torch.enable_grad():
        try:
            with seen, torch.autocast(images.device.type, dtype=dtype):
                logits = trial(images)
            # Some normalisation layers have no backward pass under vmap for images in another precision than their weights.
            logits.float().sum().backward()
        except Exception as error:  # a network may be anybody's code
            if out_of_memory(error):
                raise
            return False
    return seen.dtypes == {dtype}


class _ProductTypes(TorchDispatchMode):
    """Records the dtypes of convolutions and matrix products as they are computed, below autocast and vmap."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in _PRODUCTS or any(word in name for word in _PRODUCT_WORDS):
            self.dtypes.add((found[0] if isinstance(found, tuple) else found).dtype)
        return found
