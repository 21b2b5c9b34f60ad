"""What `ensemble` writes to logs: the loss and the learning rate of each member by epoch, and final accuracies."""

from torch import Tensor

from dlcli.core.stats import wilson
from dlcli.core.tasks.images import FINAL, accuracy_figures
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import Reporter

FIGURES = ("lr", "train_loss", *FINAL)
WHOLE = "ensemble"
"""The run with the accuracy of the rule."""


def member_run(number: int) -> str:
    """The name of a member in logs; `number` is counted from 0."""
    return f"member {number + 1}"


def log_loss(report: Reporter, number: int, recipe: Recipe, epoch: int, loss: float, *, steps: int) -> None:
    """Log an epoch of a member.

    Args:
        report: Receives the figures.
        number: Of the member, from 0.
        recipe: How it is trained.
        epoch: Counted from 1.
        loss: Mean of the steps of the epoch.
        steps: How many an epoch has.
    """
    report.log(member_run(number), epoch, {"lr": recipe.lr_at(epoch - 1, steps - 1, steps), "train_loss": loss})


def log_member(report: Reporter, number: int, logits: Tensor, y: Tensor, epoch: int) -> None:
    """Log the accuracy of a finished member.

    Args:
        report: Receives the figures.
        number: Of the member, from 0.
        logits: Of the test images, (n, classes).
        y: Their classes, (n,).
        epoch: The last one, from 1.
    """
    right = float((logits.argmax(1) == y).sum())
    report.log(member_run(number), epoch, accuracy_figures(wilson(right, len(y))), final=True)
