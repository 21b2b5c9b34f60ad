"""What `ensemble` writes to logs: the loss and the learning rate of each member by epoch, and the final figures."""

from torch import Tensor

from dlcli.core.data.base import CLASS
from dlcli.core.tasks.base import ImageTask
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import Reporter

FIGURES = ("lr", "train_loss")
"""Those of each epoch."""
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


def log_member(report: Reporter, task: ImageTask, number: int, outputs: Tensor, y: Tensor, epoch: int) -> None:
    """Log the final figures of a finished member.

    Args:
        report: Receives the figures.
        task: What it learned.
        number: Of the member, from 0.
        outputs: Of the test images: logits (n, classes), scores (n,), or counts of masks.
        y: Their classes or scores, (n,), or masks (n, h, w).
        epoch: The last one, from 1.
    """
    predicted = outputs.argmax(1) if task.target == CLASS else outputs
    report.log(member_run(number), epoch, task.final_figures(predicted.numpy(), y.numpy(), None), final=True)
