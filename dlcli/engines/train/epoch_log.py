"""The figures of a training after each epoch, and how they reach logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlcli.core.data.base import ImageData
from dlcli.core.training.recipe import Recipe
from dlcli.core.training.schedule import Plateau
from dlcli.specs.estimates import Estimate, flat
from dlcli.specs.schedule import parse_schedule
from dlcli.support.reporter import Reporter

FINAL = ("accuracy", "accuracy_low", "accuracy_high", "n")
"""Figures of a finished network on the test set."""


@dataclass(frozen=True)
class Epoch:
    """After an epoch: the mean loss of its steps, and accuracies and a mean cross-entropy in evaluation mode.

    `train_accuracy` is on the first of the training examples, `accuracy` and `loss` are on the dev set, or on the test set if
    there is none.
    """

    train_loss: float
    train_accuracy: float
    accuracy: float
    loss: float


def watched_set(data: ImageData) -> str:
    """On which set training is followed."""
    return "dev" if "dev" in data.extra_splits else "test"


def figure_names(data: ImageData) -> tuple[str, ...]:
    """The figures that a log of trainings on `data` has."""
    watched = watched_set(data)
    return ("lr", "train_loss", "train_accuracy", f"{watched}_accuracy", f"{watched}_loss", *FINAL)


def log_epochs(
    report: Reporter, run: str, data: ImageData, recipe: Recipe, history: Sequence[Epoch], *, steps: int, first: int = 0
) -> None:
    """Log the epochs of a training that are done.

    Args:
        report: Receives them.
        run: Name of the training.
        data: What is trained on.
        recipe: How.
        history: All epochs so far.
        steps: Of an epoch.
        first: The first epoch to log, from 0.
    """
    watched = watched_set(data)
    rates = last_rates(recipe, [epoch.loss for epoch in history], steps)
    for number, (epoch, rate) in list(enumerate(zip(history, rates, strict=True), 1))[first:]:
        figures = {"lr": rate, "train_loss": epoch.train_loss, "train_accuracy": epoch.train_accuracy}
        figures |= {f"{watched}_accuracy": epoch.accuracy, f"{watched}_loss": epoch.loss}
        report.log(run, number, figures)


def last_rates(recipe: Recipe, losses: Sequence[float], steps: int) -> list[float]:
    """The learning rate in the last step of each epoch; `losses` are those on the dev set, `steps` how many an epoch has."""
    plan = parse_schedule(recipe.schedule)
    plateau = Plateau(plan) if plan.name == "plateau" else None
    rates = []
    for epoch, loss in enumerate(losses):
        rates.append(recipe.lr_at(epoch, steps - 1, steps) * (1.0 if plateau is None else plateau.factor))
        if plateau is not None:
            plateau.see(loss)
    return rates


def final_figures(accuracy: Estimate) -> Mapping[str, float]:
    """The figures of a finished network."""
    found = {name: value for name, value in flat("accuracy", accuracy).items() if value is not None}
    return {**found, "n": accuracy.n}
