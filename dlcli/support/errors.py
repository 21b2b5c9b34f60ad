"""What can go wrong, in the kinds that the shell tells apart.

An engine raises one of these; the command line turns it into one line on standard error and an exit status.
"""


class DlcliError(Exception):
    """Base of all expected failures.

    `message` says in one line what is wrong and where; `hint` says what to do about it, if anything can be done.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DlcliError):
    """The options are wrong or do not go together."""


class InputError(DlcliError):
    """The input cannot be used: missing, corrupt or refused."""


class NumericError(DlcliError):
    """The numbers went wrong: NaN or infinity where there should be none."""


class ResourceError(DlcliError):
    """Memory, disk or a device is not to be had."""


class LockedError(DlcliError):
    """Another run holds the lock."""


class MissingExtraError(ResourceError):
    """An optional package is not installed; the hint is the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}'", hint=f"pip install 'dlcli-kit[{extra}]'")
