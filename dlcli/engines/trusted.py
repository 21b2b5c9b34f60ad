"""Keeps an engine from importing code that its configuration does not name."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from dlcli.specs.code import spellings
from dlcli.support.trust import Trust, trusting

F = TypeVar("F", bound=Callable[..., Any])


def only_named_code(function: F) -> F:
    """Decorate `run` or `plan` of an engine: a file that it reads cannot make it import code.

    Code is imported if an option of the configuration, the first argument, has its very spelling, or if `trust_code` is set and
    the file recorded the SHA-256 of the code.
    """

    @wraps(function)
    def restricted(config: Any, *args: Any, **options: Any) -> Any:
        with trusting(Trust(spellings(config), bool(getattr(config, "trust_code", False)))):
            return function(config, *args, **options)

    return restricted  # type: ignore[return-value]
