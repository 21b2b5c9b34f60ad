"""Options of commands that compute in several processes and go on after an interruption."""

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


def check_parallel(config: Any) -> None:
    """Raise UsageError for options of parts of a table where none are made, or where none are stored, without `output`."""
    several = (config.workers or 1) > 1
    given = {"resume": config.resume, "cluster": config.cluster is not None, "workers": several}
    for name in (name for name in given if given[name] and config.has_earlier):
        why = "which compare rows in one process"
        raise UsageError(f"`{name}` does not apply to `index` and `against`, {why}", hint=f"omit `{name}`")
    if config.resume and config.output is None:
        hint = "give the options that the interrupted run was started with"
        raise UsageError("`resume` needs `output=FILE`", hint=hint)
