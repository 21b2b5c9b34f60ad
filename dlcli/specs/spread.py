"""The options of commands that run a trained network on examples, in several processes or on a cluster."""

from typing import Any

from dlcli.specs.option import option
from dlcli.support.errors import UsageError


def prediction_workers_option() -> Any:
    """`workers`: processes that predict."""
    return option(
        None,
        "Number of parallel processes with one thread each that predict, some hundred examples at a time; the result is the "
        "same whatever the number. Of networks that predict classes or scores, and in eval of masks. Default: this process "
        "alone, with all threads.",
        limit=4096,
        minimum=1,
    )


def spread_option(config: Any) -> str:
    """The name of the option by which several processes predict; empty without one."""
    return next((name for name in ("cluster", "workers") if getattr(config, name) is not None), "")


def refuse_spread(config: Any, what: str) -> None:
    """Raise UsageError if several processes are to predict, which `what` does in this process alone."""
    if name := spread_option(config):
        raise UsageError(f"`{name}`: {what} in one process", hint=f"omit `{name}`")
