"""Whether a network of `add` learned what the members of an ensemble learn."""

from dlcli.core.data.base import ImageData
from dlcli.core.model_io.score_metadata import refuse_places, task_of
from dlcli.core.model_io.sequence_metadata import SavedSequences
from dlcli.specs.sequences import SEQUENCES
from dlcli.specs.train import SEGMENT
from dlcli.support.errors import InputError, UsageError


def check_added_task(spec: str, task: str, data: ImageData) -> None:
    """Refuse a network of another task than that of the members, and one that reads sequences in another way.

    Args:
        spec: Its run directory.
        task: What the members learn, by its name.
        data: What they are tested on.

    Raises:
        UsageError: If it learned another task.
        InputError: If its sequences have another rate or other symbols.
    """
    learned = task_of(spec)
    if task == SEGMENT and learned.masks is not None:
        if learned.masks.classes != data.classes:
            raise InputError(f"`add`: {spec} was trained on other classes than those of {data.name}")
        return
    found = learned.sequences
    if task != SEQUENCES or found is None:
        refuse_places(spec, "ensemble", "add")
        if task == SEQUENCES:
            raise UsageError(f"`add`: {spec} takes images, and the members sequences", hint="omit `task=sequence`")
        return
    if found.next is not None:
        raise UsageError(f"`add`: {spec} predicts the next step, and members predict classes", hint="omit it")
    here = SavedSequences.of(data, None)
    if (found.rate, found.symbols, found.channels) != (here.rate, here.symbols, here.channels):
        raise InputError(f"`add`: {spec} was trained on sequences of another rate, other symbols or other channels")
