"""Options of a run that exclude each other: what is typed wins over the environment, and that over a file."""

from dataclasses import replace
from typing import Any

from dlcli.specs.option import check
from dlcli.specs.shared import RunOptions
from dlcli.support.errors import UsageError

_OPPOSITES = (("quiet", "verbose"), ("config", "no_config"))
_RANK = {"COMMANDLINE": 2, "ENVIRONMENT": 1}


def checked_run_options(context: Any, run: RunOptions) -> RunOptions:
    """The options of a run, of opposites only the one that comes first; raises UsageError if both come from the same place."""
    check(run)
    for pair in _OPPOSITES:
        if not all(getattr(run, name) for name in pair):
            continue
        one, other = (_RANK.get(getattr(context.get_parameter_source(name), "name", ""), 0) for name in pair)
        if one == other:
            raise UsageError(f"`{pair[0]}` and `{pair[1]}` cannot be combined", hint="use one of them")
        dropped = pair[0] if one < other else pair[1]
        run = replace(run, **{dropped: getattr(RunOptions(), dropped)})
    return run
