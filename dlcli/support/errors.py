"""What can go wrong, in the kinds that the shell tells apart.

An engine raises one of these; the command line turns it into one line on standard error and an exit status.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager


class DlcliError(Exception):
    """Base of all expected failures.

    `message` says in one line what is wrong and where; `hint` says what to do about it, if anything can be done.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DlcliError, ValueError):
    """The options are wrong or do not go together."""


class InputError(DlcliError, ValueError):
    """The input cannot be used: missing, corrupt or refused."""


class NumericError(DlcliError, ArithmeticError):
    """The numbers went wrong: NaN or infinity where there should be none."""


class ResourceError(DlcliError, OSError):
    """Memory, disk or a device is not to be had."""


class CheckFailedError(DlcliError):
    """What was asked for cannot be had, by a check of figures that the person set a bound to."""


class LockedError(DlcliError):
    """Another run holds the lock."""


class MissingExtraError(ResourceError):
    """An optional package is not installed; the hint is the command that installs it.

    It names the package itself, as this distribution declares it: that works wherever dlcli was installed from.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}'", hint=f"pip install {_packages_of(extra)}")


@contextmanager
def error_context(what: str) -> Iterator[None]:
    """Inside, errors of these kinds are said to be about `what`."""
    try:
        yield
    except DlcliError as error:
        error.message = f"{what}: {error.message}"
        error.args = (error.message,)
        raise


def _packages_of(extra: str) -> str:
    from importlib.metadata import PackageNotFoundError, requires  # here, for it is slow and --help needs none of it

    try:
        declared = requires("dlcli-kit") or []
    except PackageNotFoundError:
        declared = []
    parts = [line.partition(";") for line in declared]
    names = [f"'{package.strip()}'" for package, _, marker in parts if re.search(rf"extra == .{re.escape(extra)}\b", marker)]
    return " ".join(names) or f"'.[{extra}]'"
