"""Which parameters of a network decay, which are frozen, and at what learning rate each is trained."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from dlcli.core.training.recipe import Recipe


def named_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by the names that they have in the file of weights; of a shared one the first name."""
    found: dict[str, nn.Parameter] = {}
    seen = set()
    for name, value in model.state_dict(keep_vars=True).items():
        if isinstance(value, nn.Parameter) and id(value) not in seen:
            seen.add(id(value))
            found[name] = value
    return found


def parameter_groups(model: nn.Module, recipe: Recipe) -> Iterable[Any]:
    """What an optimizer of `recipe` takes: all parameters, or groups with settings of their own.

    With `recipe.weight_decay`, weights decay by it and biases and the gains of normalisation do not, which have one axis, as
    in timm and Hugging Face's Trainer: a bound on these changes what a network can express, not how smooth it is.
    """
    if recipe.weight_decay is None:
        return model.parameters()
    groups: dict[float, list[nn.Parameter]] = {}
    for name, weight in named_weights(model).items():
        groups.setdefault(recipe.weight_decay if _decays(name, weight) else 0.0, []).append(weight)
    return [{"params": weights, "weight_decay": decay} for decay, weights in groups.items()]


def _decays(name: str, weight: nn.Parameter) -> bool:
    return weight.dim() > 1 and not name.endswith("bias")


def optimized(optimizer: Any) -> Mapping[int, nn.Parameter]:
    """The parameters of an optimizer by the numbers that they have in its state."""
    return dict(enumerate(weight for group in optimizer.param_groups for weight in group["params"]))
