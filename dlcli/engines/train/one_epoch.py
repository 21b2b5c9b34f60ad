"""An epoch of a training, and a note where its batches do not fit in memory."""

from collections.abc import Callable

from dlcli.core.training.loop import Training
from dlcli.support.reporter import Reporter, Task


def run_epoch(training: Training, task: Task, stop: Callable[[], bool], report: Reporter, *, unit: str) -> float | None:
    """Finish the epoch of `training`, as its method of this name does.

    Args:
        training: The training.
        task: Counts steps.
        stop: Asked after each step whether to leave off.
        report: Receives a note if a batch had to be split into more parts.
        unit: What an example is called.

    Returns:
        The mean loss of the epoch, or None if it was left.
    """
    parts = training.gradients.parts
    mean = training.run_epoch(task, stop)
    if training.gradients.parts > parts:
        most = f"a batch of {training.recipe.batch_size} {unit}s; steps are taken in {training.gradients.parts} parts"
        whole = ", and compare all of the batch" if training.gradients.objective.joint else ""
        report.note(f"out of memory on {most}{whole}")
    return mean
