"""Options of commands that compute in several processes and go on after an interruption."""

from pathlib import Path
from typing import Any

from dlcli.specs.option import option
from dlcli.support.errors import UsageError


def cell_workers_option() -> Any:
    """The option `workers` of a command that compares rows."""
    return option(
        None,
        "Number of parallel processes that compare and score rows; the result is the same. Not with `index` or `against`. "
        "Default: one per CPU core, and one for a table that takes seconds.",
        limit=4096,
        minimum=1,
    )


def cell_resume_option() -> Any:
    """The option `resume` of a command that compares rows."""
    return option(
        False,
        "Continue an interrupted run from the comparisons it stored beside `output`; they are deleted when the run ends.",
    )


def check_resume(resume: bool, output: Path | None, earlier: bool) -> None:
    """Raise UsageError if nothing is stored from which to continue: without `output`, or with earlier tables."""
    hint = "give the options that the interrupted run was started with"
    if resume and earlier:
        raise UsageError("`resume` does not apply to `index` and `against`", hint="omit it")
    if resume and output is None:
        raise UsageError("`resume` needs `output=FILE`", hint=hint)
