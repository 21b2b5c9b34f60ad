"""Float64 on devices that have none."""

import torch
from torch import Tensor

WITHOUT_FLOAT64 = {"mps"}
"""The kinds of devices that refuse float64."""


def float64_device(device: torch.device) -> torch.device:
    """Where float64 tensors of `device` are computed: there, or on the CPU if it has no float64 (Apple's GPUs)."""
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def to_float64(x: Tensor) -> Tensor:
    """`x` as float64, on its `float64_device`."""
    return x.to(float64_device(x.device)).double()
