"""Exit statuses, and the status and message for each exception."""

import errno
import re
from enum import IntEnum
from typing import Any

import typer

from dlcli.cli.streams import STDOUT
from dlcli.cli.termination import Terminated
from dlcli.support import errors

TyperError: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "TyperException")
"""Base of the errors that Typer raises for a wrong command line."""


class ExitCode(IntEnum):
    """Exit statuses; `MEANINGS` explains them."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    INPUT = 3
    NUMERIC = 4
    RESOURCES = 5
    BUG = 70
    LOCKED = 75
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143


MEANINGS = {
    "0": "done",
    "1": "a check you asked for failed (`--fail-under`, `--fail-on-duplicates`, `--precision`)",
    "2": "an option is wrong, or has no effect on the input at hand",
    "3": "the input cannot be used: a file, folder or column is missing, corrupt or refused, or may not be read",
    "4": "a computation gave NaN or infinity",
    "5": "out of memory, disk space or device, an extra is not installed, or the output cannot be written",
    "70": "a bug in dlcli",
    "75": "another run is writing to the same place",
    "130, 143, 141": "interrupted, terminated, broken pipe (SIGPIPE)",
}
"""What the exit statuses mean, for the README and the manual pages."""
_INVALID = re.compile(r"^Invalid value for '([^']+)': ")


_KINDS: tuple[tuple[type[errors.DlcliError], ExitCode], ...] = (
    (errors.CheckFailedError, ExitCode.CHECK_FAILED),
    (errors.UsageError, ExitCode.USAGE),
    (errors.InputError, ExitCode.INPUT),
    (errors.NumericError, ExitCode.NUMERIC),
    (errors.LockedError, ExitCode.LOCKED),
    (errors.ResourceError, ExitCode.RESOURCES),
)


def explain(error: BaseException) -> tuple[ExitCode, str, str]:
    """Translate an exception for the shell.

    Returns:
        The exit status, one sentence on what is wrong and a hint on what to do; both texts may be empty.
    """
    if isinstance(error, errors.DlcliError | TyperError):
        code, message, hint = _explain_wrong_input(error)
        from dlcli.cli.mistyped import closest_choice

        return code, message, closest_choice(message) or hint
    if isinstance(error, BrokenPipeError):
        return ExitCode.CLOSED_PIPE, "", ""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "interrupted", ""
    if isinstance(error, Terminated):
        return ExitCode.TERMINATED, "terminated", ""
    return _explain_system(error)


def _explain_wrong_input(error: Exception) -> tuple[ExitCode, str, str]:
    if isinstance(error, errors.DlcliError):
        code = next((code for kind, code in _KINDS if isinstance(error, kind)), ExitCode.INPUT)
        return code, error.message, error.hint
    return _explain_usage(error)


def _explain_usage(error: Exception) -> tuple[ExitCode, str, str]:
    from dlcli.cli.mistyped import explain_option

    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoSuchOption" and context:
        return ExitCode.USAGE, *explain_option(error)
    hint = f"see {context.command_path} --help" if context else ""
    message: str = error.format_message()  # type: ignore[attr-defined]
    for details in getattr(error.__cause__, "errors", list)():
        message = message.replace(details["msg"], _in_our_words(details))
    message = _INVALID.sub(r"\1: ", message.replace("Value error, ", ""))
    return ExitCode.USAGE, message.removesuffix("."), hint


def _in_our_words(details: dict[str, Any]) -> str:
    """What is wrong with a value, in the words of `check` in place of those of the library that Typer validates with."""
    value = details["input"]
    words = {
        "int_parsing": f"'{value}' is not a whole number",
        "int_from_float": f"'{value}' is not a whole number",
        "float_parsing": f"'{value}' is not a number",
        "finite_number": f"'{value}' is not a finite number",
        "bool_parsing": f"'{value}' is neither true nor false",
    }
    return words.get(details["type"], str(details["msg"]))


def _explain_system(error: BaseException) -> tuple[ExitCode, str, str]:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _lacks_memory(str(error)):
        return ExitCode.RESOURCES, "out of memory", "try less data at once"
    if isinstance(error, PermissionError):  # outputs have become another error in `execute`
        where = f"{error.filename}: " if error.filename else ""
        return ExitCode.INPUT, f"{where}may not be read", "check its permissions and those of its folders"
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        if error.filename == STDOUT and error.errno == errno.EBADF:
            return ExitCode.RESOURCES, f"{STDOUT} is closed, so the result cannot be written", ""
        kind = ExitCode.INPUT if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else ExitCode.RESOURCES
        return kind, f"{where}{(error.strerror or str(error)).lower()}", _system_hint(error.errno)
    return ExitCode.BUG, f"a bug in dlcli: {type(error).__name__}: {error}", "--debug shows where; please report it"


def _lacks_memory(text: str) -> bool:
    """Whether a library ran out of memory, in its words: torch's, those of the loader of libraries, and oneDNN's."""
    return any(words in text for words in ("can't allocate memory", "failed to map segment", "could not create a primitive"))


def _system_hint(number: int) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "make room, or name another place"
    return "name another place" if number in (errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR) else ""
