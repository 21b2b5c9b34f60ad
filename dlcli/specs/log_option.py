"""The option `log` of the commands that train networks."""

from collections.abc import Sequence
from typing import Any

from dlcli.specs.option import entries, option
from dlcli.support.errors import UsageError
from dlcli.support.suggest import did_you_mean

LOGS = entries("log", "dlcli.core.run_log.writers")


def log_option() -> Any:
    """`log`: where figures are written while networks are trained."""
    return option(
        (),
        "Log settings, figures after each epoch, and final figures: csv[:FILE.csv], tensorboard:DIR, mlflow[:URI] or "
        "wandb[:PROJECT] (repeatable). A server that cannot be reached does not stop training.",
        metavar="NAME[:TARGET]",
    )


def check_logs(specs: Sequence[str]) -> None:
    """Raise UsageError for a log of an unknown kind, or one that is given twice."""
    for number, spec in enumerate(specs):
        name = spec.partition(":")[0].strip()
        if name not in LOGS():
            hint = did_you_mean(name, LOGS()) or f"choose from {', '.join(LOGS())}"
            raise UsageError(f"`log`: no log is called '{name}'", hint=hint)
        if spec in specs[:number]:
            raise UsageError(f"`log`: {spec} is given twice")
