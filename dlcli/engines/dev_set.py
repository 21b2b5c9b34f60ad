"""The dev set that a run held out of its training set (`train --dev`), drawn again for eval and predict."""

from pathlib import Path

from dlcli.core.data.base import ImageData
from dlcli.core.model_io.dev_set import DEV
from dlcli.core.model_io.score_metadata import RunTask
from dlcli.specs.model_and_data import ModelAndDataOptions
from dlcli.specs.usual_data import usual_data
from dlcli.support.errors import InputError, UsageError
from dlcli.support.in_memory import InMemory
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter


def with_dev_of_run(config: ModelAndDataOptions, data: ImageData, task: RunTask, report: Reporter) -> ImageData:
    """The data with the dev set of the run, where that is what is asked for, and else as they are.

    It is drawn again for the dev set itself, as `split` or `calibrate`, of any data; and of the data of the run, so that the
    training set is that of the training, for the training set and `diagnose`.

    Args:
        config: The options.
        data: All sets; nothing is drawn where there is a dev set.
        task: What the run directory records.
        report: Receives a note.

    Raises:
        InputError: If the examples that are drawn are not those that training held out.
    """
    if task.dev is None or DEV in data.extra_splits:
        return data
    asked = DEV in (config.split, getattr(config, "calibrate", None))
    if not asked and not (_looks_at_training(config) and is_data_of_run(config)):
        return data
    found = task.dev.drawn_again(data)
    report.note(f"dev: the {count(task.dev.examples, data.unit)} that training held out, drawn again and the same")
    return found


def is_data_of_run(config: ModelAndDataOptions) -> bool:
    """Whether the data are those that the run was trained on, by their name."""
    if isinstance(config.data, InMemory):
        return False
    try:
        recorded = usual_data(config.model)
    except (UsageError, InputError):  # the run does not tell
        return False
    return config.data == recorded or Path(config.data).resolve() == Path(recorded).resolve()


def _looks_at_training(config: ModelAndDataOptions) -> bool:
    return config.split == "train" or getattr(config, "diagnose", False)
