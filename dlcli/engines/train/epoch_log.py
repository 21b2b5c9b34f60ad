"""The figures of a training after each epoch, and how they reach logs."""

from collections.abc import Sequence
from dataclasses import astuple

from dlcli.core.data.base import ImageData
from dlcli.core.tasks.base import Epoch, ImageTask
from dlcli.core.training.recipe import Recipe
from dlcli.core.training.schedule import Plateau
from dlcli.engines.train.pseudo_labels import PSEUDO_NAMES, PseudoLabels, pseudo_shares
from dlcli.specs.schedule import parse_schedule
from dlcli.support.reporter import Reporter


def watched_set(data: ImageData) -> str:
    """On which set training is followed."""
    return "dev" if "dev" in data.extra_splits else "test"


def figure_names(task: ImageTask, data: ImageData) -> tuple[str, ...]:
    """The figures that a log of trainings on `data` has."""
    return ("lr", *epoch_names(task, watched_set(data)), *task.final_names())


def epoch_names(task: ImageTask, watched: str) -> tuple[str, ...]:
    """What the values of an `Epoch` are called in logs and tables; `watched` is the set on which training is followed."""
    return ("train_loss", f"train_{task.figure}", f"{watched}_{task.figure}", f"{watched}_loss")


def history_table(names: Sequence[str], history: Sequence[Epoch], pseudo: Sequence[PseudoLabels] = ()) -> str:
    """The epochs of a training as CSV.

    Args:
        names: Those of the values of an epoch.
        history: The epochs.
        pseudo: Their pseudo-labels; empty where there are none.
    """
    more = [pseudo_shares(one) for one in pseudo] or [()] * len(history)
    lines = [",".join(("epoch", *names, *(PSEUDO_NAMES if pseudo else ())))]
    lines += [
        ",".join(map(_cell, (k, *astuple(epoch), *shares)))
        for k, (epoch, shares) in enumerate(zip(history, more, strict=True), 1)
    ]
    return "\n".join(lines) + "\n"


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def log_epochs(
    report: Reporter,
    run: str,
    task: ImageTask,
    data: ImageData,
    recipe: Recipe,
    history: Sequence[Epoch],
    *,
    steps: int,
    first: int = 0,
) -> None:
    """Log the epochs of a training that are done.

    Args:
        report: Receives them.
        run: Name of the training.
        task: What is learned.
        data: What is trained on.
        recipe: How.
        history: All epochs so far.
        steps: Of an epoch.
        first: The first epoch to log, from 0.
    """
    names = epoch_names(task, watched_set(data))
    rates = last_rates(recipe, [epoch.loss for epoch in history], steps)
    for number, (epoch, rate) in list(enumerate(zip(history, rates, strict=True), 1))[first:]:
        report.log(run, number, {"lr": rate, **dict(zip(names, astuple(epoch), strict=True))})


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
