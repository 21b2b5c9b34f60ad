"""Which parameters of a network decay, which are frozen, and at what learning rate each is trained.

Parameters are named as in the file of weights. A prefix ends with a whole part of a name: `layer1` is not `layer10.weight`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from dlcli.core.training.recipe import Recipe
from dlcli.support.errors import UsageError
from dlcli.support.suggest import did_you_mean


def named_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by the names that they have in the file of weights; of a shared one the first name."""
    found: dict[str, nn.Parameter] = {}
    seen = set()
    for name, value in model.state_dict(keep_vars=True).items():
        if isinstance(value, nn.Parameter) and id(value) not in seen:
            seen.add(id(value))
            found[name] = value
    return found


def freeze(model: nn.Module, prefixes: Sequence[str]) -> list[nn.Module]:
    """Freeze the parameters under each prefix, and return the modules that have no others.

    These have to stay in evaluation mode while the network trains: batch normalisation would go on to change its running
    statistics, and a frozen part would not be the same afterwards. Raises UsageError for a prefix without parameters, and if
    nothing is left to train.
    """
    weights, frozen = named_weights(model), set()
    for prefix in prefixes:
        for weight in _under(weights, prefix, "freeze").values():
            frozen.add(id(weight.requires_grad_(False)))
    if frozen and not any(weight.requires_grad for weight in weights.values()):
        raise UsageError("`freeze` leaves nothing to train", hint="freeze fewer parameters")
    own = [(module, [id(weight) for weight in module.parameters()]) for module in model.modules()]
    return [module for module, held in own if held and frozen.issuperset(held)]


def parameter_groups(model: nn.Module, recipe: Recipe) -> Iterable[Any]:
    """What an optimizer of `recipe` takes: all parameters, or groups with settings of their own.

    With `recipe.weight_decay`, weights decay by it and biases and the gains of normalisation do not, which have one axis, as
    in timm and Hugging Face's Trainer: a bound on these changes what a network can express, not how smooth it is. Of the
    prefixes in `recipe.rates` that fit a name the longest counts. Raises UsageError for one that sets no rate.
    """
    if recipe.weight_decay is None and not recipe.rates:
        return model.parameters()
    weights, chosen = named_weights(model), _rates(model, recipe.rates)
    groups: dict[tuple[float | None, float | None], list[nn.Parameter]] = {}
    for name, weight in weights.items():
        groups.setdefault((chosen.get(name), _decay(name, weight, recipe.weight_decay)), []).append(weight)
    return [_group(parameters, rate, decay) for (rate, decay), parameters in groups.items()]


def _group(parameters: list[nn.Parameter], rate: float | None, decay: float | None) -> dict[str, Any]:
    own = {"lr": rate, "weight_decay": decay}
    return {"params": parameters, **{name: value for name, value in own.items() if value is not None}}


def _decay(name: str, weight: nn.Parameter, decay: float | None) -> float | None:
    return decay if decay is None or (weight.dim() > 1 and not name.endswith("bias")) else 0.0


def _rates(model: nn.Module, rates: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The learning rate of each parameter that has one of its own, by name."""
    weights = named_weights(model)
    # The longest prefix last, so that it overwrites what shorter ones set.
    places = {prefix: _under(weights, prefix, "lr_for") for prefix, _ in sorted(rates, key=lambda rate: len(rate[0]))}
    holder = {name: prefix for prefix, found in places.items() for name, weight in found.items() if weight.requires_grad}
    for prefix in places:
        if prefix not in holder.values():
            message = f"`lr_for`: nothing is trained at the rate of '{prefix}'"
            raise UsageError(message, hint="all of it is frozen, or has a longer prefix of its own")
    return {name: dict(rates)[prefix] for name, prefix in holder.items()}


def _under(weights: Mapping[str, nn.Parameter], prefix: str, option: str) -> dict[str, nn.Parameter]:
    start = prefix.removesuffix(".")
    found = {name: weight for name, weight in weights.items() if name == start or name.startswith(f"{start}.")}
    if not found:
        parts = [name.split(".") for name in weights]
        known = dict.fromkeys(".".join(part[:depth]) for part in parts for depth in range(1, len(part) + 1))
        top = ", ".join(dict.fromkeys(part[0] for part in parts))
        hint = did_you_mean(start, known, otherwise=f"the network has {top}")
        raise UsageError(f"`{option}`: no parameter of the network is below '{prefix}'", hint=hint)
    return found


def optimized(optimizer: Any) -> Mapping[int, nn.Parameter]:
    """The parameters of an optimizer by the numbers that they have in its state."""
    return dict(enumerate(weight for group in optimizer.param_groups for weight in group["params"]))
