"""How the options of `dlcli train` change the recipe of a network, and which of them do not apply to it."""

from dataclasses import replace

from dlcli.core.training.recipe import Recipe, steps_per_epoch
from dlcli.engines.train.semi_method import method_of
from dlcli.specs.arms import one
from dlcli.specs.schedule import parse_schedule
from dlcli.specs.semi_supervised import semi_chosen
from dlcli.specs.train import TrainConfig
from dlcli.specs.training_options import parse_rates
from dlcli.support.errors import UsageError
from dlcli.support.plural import count

_OPTIMIZER_DEFAULTS: dict[str, tuple[float, dict[str, float]]] = {
    "sgd": (0.1, {"momentum": 0.9}),
    "adam": (1e-3, {}),
    "adamw": (1e-3, {}),
    "adadelta": (1.0, {}),
}
"""The learning rate and settings of an optimizer that is not the one the network's recipe was made with."""

_AVERAGED = 0.99
"""Decay of the moving average of the weights for a semi-supervised method that needs one."""
_NAMES = ("epochs", "batch_size", "lr", "weight_decay", "schedule", "label_smoothing", "clip_norm", "ema")


def resolve_recipe(config: TrainConfig, recipe: Recipe, n: int, unlabelled: int = 0) -> Recipe:
    """The `recipe` of a network with the settings that `config` gives.

    Args:
        config: Options of the training.
        recipe: The network's own.
        n: Number of training examples.
        unlabelled: Number of images without labels.

    Raises:
        UsageError: For a setting that would have no effect.
    """
    optimizer = one(config.optimizer)
    if optimizer is not None and optimizer != recipe.optimizer:
        lr, options = _OPTIMIZER_DEFAULTS[optimizer]
        recipe = replace(recipe, optimizer=optimizer, lr=lr, options=options)
    recipe = _with_momentum(recipe, one(config.momentum))
    recipe = replace(recipe, freeze=config.freeze, rates=parse_rates(config.lr_for))
    given = {name: getattr(config, name) for name in _NAMES if getattr(config, name) is not None}
    recipe = replace(recipe, dtype="float32" if config.precision == "float32" else recipe.dtype, **given)
    # A pass over few labels is a step or two; so an epoch is what it would be if all images had labels.
    own = steps_per_epoch(n + unlabelled, recipe.batch_size) if semi_chosen(config.semi) else None
    recipe = replace(recipe, steps=config.steps_per_epoch or own)
    method = method_of(config)
    recipe = replace(recipe, ema=_AVERAGED) if method is not None and method.needs_average and not recipe.ema else recipe
    recipe = _with_warmup(recipe, one(config.warmup) or 0.0, n)
    _check_schedule(recipe, recipe.epochs * recipe.epoch_steps(n))
    return recipe


def _with_momentum(recipe: Recipe, momentum: float | None) -> Recipe:
    if momentum is None:
        return recipe
    if recipe.optimizer != "sgd":
        raise UsageError(f"`momentum` does not apply to {recipe.optimizer}", hint="add `optimizer=sgd`, or omit `momentum`")
    return replace(recipe, options={**recipe.options, "momentum": momentum})


def _check_schedule(recipe: Recipe, steps: int) -> None:
    plan, there = parse_schedule(recipe.schedule), count(recipe.epochs, "epoch")
    if plan.name == "step" and plan.epochs and plan.epochs >= recipe.epochs - recipe.warmup:
        raise UsageError(
            f"`schedule`: {recipe.schedule} leaves the rate as it is in {there}",
            hint="let it fall more often: fewer epochs after its name",
        )
    if plan.name == "plateau" and plan.epochs and plan.epochs > recipe.epochs - 3:
        shorter = f", or wait less with `schedule=plateau:{recipe.epochs - 3}`" if recipe.epochs > 3 else ""
        hint = f"give at least {count(plan.epochs + 3, 'epoch')}{shorter}"
        raise UsageError(f"`schedule`: plateau:{plan.epochs} waits longer than {there} can show", hint=hint)
    if plan.name in ("step", "onecycle") and steps < 4:
        raise UsageError(f"`schedule`: {plan.name} needs 4 steps; there {'is' if steps == 1 else 'are'} {steps}")


def _with_warmup(recipe: Recipe, warmup: float, n: int) -> Recipe:
    steps = recipe.epoch_steps(n)
    if warmup >= recipe.epochs:
        raise UsageError(f"`warmup`: {warmup:g} epochs leave none of {count(recipe.epochs, 'epoch')}", hint="give fewer")
    if warmup and round(warmup * steps) < 2:
        message = f"`warmup`: {warmup:g} epochs are less than 2 steps; an epoch has {count(steps, 'step')}"
        raise UsageError(message, hint=f"give at least {2 / steps:.2g}")
    return replace(recipe, warmup=warmup)
