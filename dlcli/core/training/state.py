"""The parts of a training's state: tensors by name, and the states of random generators."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` in the memory layout of `parameter`, if it is of its shape: fused optimizers go through both byte by byte."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


def under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def check_like(saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise KeyError or RuntimeError unless `saved` has all entries of `own`, in the same shapes and types."""
    for name, value in own.items():
        found = saved[name]
        if (found.shape, found.dtype) != (value.shape, value.dtype):
            raise RuntimeError(f"{name} has another shape or type")


def checked_position(saved: Tensor, most: Sequence[int]) -> list[int]:
    """The epoch, the step and the number of parts, (3,); raises RuntimeError if one is below its least, or above its `most`."""
    found: list[int] = saved.tolist()
    if any(not low <= value <= high for value, low, high in zip(found, (0, 0, 1), most, strict=True)):
        raise RuntimeError("the position lies outside the training")
    return found


def optimizer_state(saved: Mapping[str, Tensor], parameters: Mapping[int, Tensor]) -> dict[int, dict[str, Tensor]]:
    """What an optimizer keeps of each parameter, by the numbers of these.

    Args:
        saved: The entries by `number.name`.
        parameters: By their numbers.

    Returns:
        The entries in the memory layout of their parameters, by number and name.

    Raises:
        KeyError: For a parameter that there is not.
        RuntimeError: For an entry that is not of the shape of its parameter, or, as the count of steps, one number; or if one
            parameter lacks an entry that another has.
    """
    numbered = {str(number): number for number in parameters}
    kept: dict[int, dict[str, Tensor]] = {}
    for name, value in saved.items():
        text, _, key = name.partition(".")
        parameter = parameters[numbered[text]]
        if not value.is_floating_point() or value.shape != (() if key == "step" else parameter.shape):
            raise RuntimeError(f"{name} has another shape or type")
        kept.setdefault(numbered[text], {})[key] = laid_out_as(parameter, value)
    if len({frozenset(one) for one in kept.values()}) > 1:
        raise RuntimeError("the optimizer keeps other entries of one parameter than of another")
    return kept


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
