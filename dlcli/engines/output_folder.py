"""What the output folder of `train` and `ensemble` may hold before a run starts."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dlcli.support.errors import UsageError


class FolderState(NamedTuple):
    """What a folder holds.

    `occupied`: why a new run would overwrite it, with how to go on; "" if it would not. `finished`: why there is nothing to
    resume, as a sentence about the folder, with what to do; "" if there is something.
    """

    occupied: str
    occupied_hint: str
    finished: str
    finished_hint: str = ""


def check_output_folder(folder: Path | None, *, resume: bool, kind: str, inspect: Callable[[Path], FolderState]) -> None:
    """Refuse a folder in which a run would overwrite another, or from which nothing can be resumed.

    Args:
        folder: The option `output`.
        resume: The option `resume`.
        kind: What the folder is for, "run" or "ensemble".
        inspect: Describes what an existing or new folder holds.

    Raises:
        UsageError: If the folder is a file, is missing or has nothing to resume with `resume`, or holds results without it.
    """
    if folder is None:
        if resume:
            raise UsageError(f"`resume` needs the {kind} directory", hint="`output=runs/NAME`")
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`output`: {folder} is not a directory", hint="choose a new or existing directory")
    state = inspect(folder)
    if resume and state.finished:
        raise UsageError(f"`resume`: {folder} {state.finished}", hint=state.finished_hint)
    if not resume and state.occupied:
        raise UsageError(f"`output`: {folder} {state.occupied}", hint=state.occupied_hint)
