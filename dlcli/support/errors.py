"""The exceptions of dlcli, one for each exit status of a failure.

An engine raises one of these; the command line turns it into one line on standard error and an exit status.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager


class DlcliError(Exception):
    """Base of all expected failures.

    `message` names in one line what is wrong and where; `hint` tells what to do about it and may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DlcliWarning(UserWarning):
    """A result may be other than expected; the commands write such warnings to standard error."""


class UsageError(DlcliError, ValueError):
    """An option is wrong, or options contradict each other."""


class InputError(DlcliError, ValueError):
    """The input cannot be used: missing, corrupt or refused."""


class MissingInputError(InputError, FileNotFoundError):
    """A file or folder is not there."""


class NumericError(DlcliError, ArithmeticError):
    """A computation gave NaN or infinity."""


class ResourceError(DlcliError, OSError):
    """Memory, disk space or a device is not available."""


class MemoryLimitError(ResourceError, MemoryError):
    """Memory does not suffice."""


class CheckFailedError(DlcliError):
    """A check that the user asked for cannot be met, such as a precision."""


class LockedError(DlcliError):
    """Another run writes to the same output."""


class MissingExtraError(ResourceError):
    """An optional package is not installed; the hint is the command that installs it.

    The hint names the packages themselves, which works wherever dlcli was installed from.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}'", hint=install_command(extra))


@contextmanager
def error_context(what: str) -> Iterator[None]:
    """Prefix the message of every DlcliError raised inside with `what`."""
    try:
        yield
    except DlcliError as error:
        error.message = f"{what}: {error.message}"
        error.args = (error.message,)
        raise


def install_command(extra: str) -> str:
    """The command that installs the packages of an extra, wherever dlcli itself came from."""
    from importlib.metadata import PackageNotFoundError, requires  # slow, and --help needs none of it

    try:
        declared = requires("dlcli-kit") or []
    except PackageNotFoundError:
        declared = []
    parts = [line.partition(";") for line in declared]
    names = [f"'{package.strip()}'" for package, _, marker in parts if re.search(rf"extra == .{re.escape(extra)}\b", marker)]
    return f"pip install {' '.join(names)}" if names else f"pip install '.[{extra}]'"
