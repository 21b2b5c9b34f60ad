"""What the output folder of `train` and `ensemble` may hold before a run starts."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dlcli.support.errors import UsageError
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter


class FolderState(NamedTuple):
    """What a folder holds.

    `occupied`: why a new run would overwrite it, with how to go on; "" if it would not. `other`: why it cannot be resumed, as a
    sentence about the folder, with what to do; "" if it can, or is empty.
    """

    occupied: str
    occupied_hint: str
    other: str = ""
    other_hint: str = ""


def check_output_folder(folder: Path | None, *, resume: bool, kind: str, inspect: Callable[[Path], FolderState]) -> None:
    """Refuse a folder in which a run would overwrite another.

    With `resume` one command line serves for all: a run starts in a new folder, a stopped one goes on, and the result of a
    finished one is given again.

    Args:
        folder: The option `output`.
        resume: The option `resume`.
        kind: What the folder is for, "run" or "ensemble".
        inspect: Describes what an existing or new folder holds.

    Raises:
        UsageError: If the folder is a file, is missing or holds another kind of run with `resume`, or holds results without it.
    """
    if folder is None:
        if resume:
            raise UsageError(f"`resume` needs the {kind} directory", hint="`output=runs/NAME`")
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`output`: {folder} is not a directory", hint="choose a new or existing directory")
    state = inspect(folder)
    if resume and state.other:
        raise UsageError(f"`resume`: {folder} {state.other}", hint=state.other_hint)
    if not resume and state.occupied:
        raise UsageError(f"`output`: {folder} {state.occupied}", hint=state.occupied_hint)


def note_other_files(folder: Path | None, *, resume: bool, report: Reporter) -> None:
    """Note that a run is written to a folder that holds other files, which may be meant for something else.

    Args:
        folder: The option `output`.
        resume: The option `resume`: the files may then be those of the run.
        report: Receives the note.
    """
    if folder is None or resume or not folder.is_dir():
        return
    there = sum(not entry.name.startswith(".") for entry in folder.iterdir())
    if there:
        report.note(f"{folder} holds {count(there, 'file or folder', 'files or folders')} already; the run is written beside")
