"""The parts of a training's state: tensors by name, and the states of random generators."""

from collections.abc import Mapping

import torch
from torch import Tensor


def laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` in the memory layout of `parameter`, if it is of its shape: fused optimizers go through both byte by byte."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators from which a network on `device` draws."""
    # Taken before every step: 1 us on a CPU. A GPU's is a seed and an offset, which the host keeps.
    kept = {"cpu": torch.get_rng_state()}
    if device.type in ("cuda", "mps"):
        kept["device"] = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.mps.get_rng_state()
    return kept


def set_random_state(kept: Mapping[str, Tensor], device: torch.device) -> None:
    """Put back what `random_state` gave."""
    torch.set_rng_state(kept["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(kept["device"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(kept["device"])
