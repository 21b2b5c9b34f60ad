"""Figures of trainings while they run, for other programs: `NAME[:TARGET]`; each kind of log is a module of `writers`.

A module has `PACKAGE`, what it imports ("" for nothing), and `EXTRA`, which installs that; `SEPARATE`, whether it writes from a
process of its own, because it waits for a server; `check(target)`, which raises UsageError; and `open_writer(target, group)`,
which returns a `Writer`.
"""

from collections.abc import Iterable
from importlib.util import find_spec

from dlcli.support.errors import MissingExtraError, UsageError
from dlcli.support.registry import Registry

__all__ = ["WRITERS", "check_log", "check_logs", "parse_log"]

WRITERS = Registry("log", "dlcli.core.run_log.writers")


def parse_log(spec: str) -> tuple[str, str]:
    """Split `NAME[:TARGET]`.

    Returns:
        The name and the target, "" without one.
    """
    name, _, target = spec.partition(":")
    return name.strip(), target.strip()


def check_logs(specs: Iterable[str]) -> None:
    """`check_log` of each."""
    for spec in specs:
        check_log(spec)


def check_log(spec: str) -> None:
    """Check `spec` before anything is trained.

    Raises:
        UsageError: If it names no log, or gives it a target that it cannot take.
        MissingExtraError: If a package is not installed.
    """
    name, target = parse_log(spec)
    entry = WRITERS.module(name)
    try:
        entry.check(target)
    except UsageError as error:
        raise UsageError(f"`log={spec}`: {error.message}", hint=error.hint) from None
    if entry.PACKAGE and find_spec(entry.PACKAGE) is None:
        raise MissingExtraError(f"`log={name}`", entry.EXTRA)
