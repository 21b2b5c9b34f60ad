"""Declare an option once: its default, help, bounds and parser travel with the dataclass field.

The command line builds flags, environment variables, configuration keys and help from these; `check` holds the same
bounds when a configuration is made from Python.
"""

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, get_args, get_origin

from dlcli.support.errors import UsageError
from dlcli.support.registry import Registry


@dataclass(frozen=True)
class Option:
    """What the command line needs to know about one field of a configuration.

    Attributes:
        help: One or two sentences; fields in backticks are printed as flags.
        name: Name of the option where it cannot be that of the field: `with` is a keyword of Python.
        short: One-letter flag, such as `-o`.
        minimum: Smallest value allowed, inclusive.
        maximum: Largest value allowed, inclusive.
        limit: Largest whole number that is accepted at all, a safeguard that help does not show.
        above: Exclusive lower bound.
        below: Exclusive upper bound.
        choices: Lists the values allowed; called late, for a registry reads a folder.
        parse: Makes the value out of what is typed; raises ValueError with one sentence.
        show: Writes a value as `parse` reads it.
        metavar: Placeholder for the value in help.
        argument: Whether the option is positional.
        two_ways: Whether the value may be given in both ways, as a positional argument or with its flag; `argument` then says
            which of the two help and messages name first.
        reads: Whether the value names an input file, which the run record lists with its hash.
        writes: Whether the value names an output file.
        names_code: Whether the value may name code of the user, which is then imported.
        typed_only: Whether the option is read from the command line alone, not from files or the environment.
        compared: Whether it may be a tuple of several values, which are compared.
    """

    help: str
    name: str = ""
    short: str = ""
    minimum: float | None = None
    maximum: float | None = None
    limit: int = 1_000_000_000
    above: float | None = None
    below: float | None = None
    choices: Callable[[], tuple[str, ...]] | None = None
    parse: Callable[[Any], Any] | None = None
    show: Callable[[Any], str] | None = None
    metavar: str = ""
    argument: bool = False
    two_ways: bool = False
    reads: bool = False
    writes: bool = False
    names_code: bool = False
    typed_only: bool = False
    compared: bool = False


def option(default: Any, help: str, **details: Any) -> Any:
    """A dataclass field with its Option; `details` are Option's other fields."""
    return field(default=default, metadata={"option": Option(help=help, **details)})


def one_of(*names: str) -> Callable[[], tuple[str, ...]]:
    """Choices that are listed here."""
    return lambda: names


def entries(kind: str, package: str) -> Callable[[], tuple[str, ...]]:
    """Choices that are the entries of a registry."""
    return Registry(kind, package).names


def declared(config: Any) -> Iterator[tuple[Field[Any], Option]]:
    """The fields of a configuration (class or instance) that are options."""
    for item in fields(config):
        if "option" in item.metadata:
            yield item, item.metadata["option"]


def key(item: Field[Any]) -> str:
    """The option's name in files: `fail-under` for the field `fail_under`."""
    details: Option = item.metadata["option"]
    return details.name or item.name.replace("_", "-")


def flag(item: Field[Any]) -> str:
    """The option as typed: `--fail-under`."""
    return f"--{key(item)}"


def range_in_words(details: Option) -> str:
    """The range of a number as help shows it: `at least 1`, `above 0`, `from 0 to below 1`; "" for other options."""
    if (details.minimum or 0) <= 1 and details.above is details.below is details.maximum is None:
        return ""  # that a count is 0 or 1 at least goes without saying
    lowest = "" if details.above is None else f"above {details.above:g}"
    highest = "" if details.below is None else f"below {details.below:g}"
    if details.minimum is not None:
        lowest = f"from {details.minimum:g}" if highest or details.maximum is not None else f"at least {details.minimum:g}"
    if details.maximum is not None:
        highest = f"{details.maximum:g}" if lowest else f"at most {details.maximum:g}"
    return f"{lowest} to {highest}" if lowest and highest else lowest or highest


def check(config: Any) -> None:
    """Make the values of `config` those that its flags would make of them, and hold their bounds.

    A field takes what its flag takes, and what that stands for: `eps` is "8/255", 8 / 255 or (8 / 255,), `output` a string or
    a Path. Raises UsageError if a value cannot be read, or is outside its declared bounds or choices.
    """
    for item, details in declared(config):
        given = getattr(config, item.name)
        value = _read(item, details, given)
        if value is not given:
            object.__setattr__(config, item.name, value)
        for one in _values(value):
            try:
                _check_value(f"`{item.name}`", details, one)
            except TypeError:
                raise UsageError(f"`{item.name}`: {one!r} is not a number") from None


def _read(item: Field[Any], details: Option, given: Any) -> Any:
    """The value of a field, from what its flag takes."""
    if given is None:
        return None
    if details.parse:
        try:
            return details.parse(given)
        except ValueError as error:
            raise UsageError(f"`{item.name}`: {error}") from None
    kinds: tuple[Any, ...] = (item.type, *get_args(item.type))
    if isinstance(given, str) and Path in kinds:
        return Path(given)
    if isinstance(given, Path) and str in kinds:
        return str(given)
    if isinstance(given, str | list) and any(get_origin(kind) is tuple for kind in kinds):
        return (given,) if isinstance(given, str) else tuple(given)
    return given


def _values(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _check_value(name: str, details: Option, value: Any) -> None:
    if details.minimum is not None and not value >= details.minimum:
        raise UsageError(f"{name}: {_plain(value)} is below {details.minimum:g}")
    if details.maximum is not None and not value <= details.maximum:
        raise UsageError(
            f"{name}: {_plain(value)} is above {details.maximum:g}", hint=_as_share(details, value, details.maximum)
        )
    if details.above is not None and not value > details.above:
        raise UsageError(f"{name}: {_plain(value)} is not above {details.above:g}")
    if details.below is not None and not value < details.below:
        raise UsageError(
            f"{name}: {_plain(value)} is not below {details.below:g}", hint=_as_share(details, value, details.below)
        )
    if isinstance(value, int) and value > details.limit:
        raise UsageError(f"{name}: {_shortened(value)} is above {details.limit:,}")
    if isinstance(value, float) and not isfinite(value):
        raise UsageError(f"{name}: {value} is not finite")
    if details.choices is not None and value not in details.choices():
        raise UsageError(f"{name}: '{value}' is not one of {', '.join(details.choices())}")


def _as_share(details: Option, value: Any, most: float) -> str:
    """The share that a value in percent stands for, where an option takes such shares; else empty.

    Args:
        details: The option.
        value: What is too large for it.
        most: Its upper bound.
    """
    takes = most <= 1 < value < 100 * most and value / 100 >= (details.minimum or 0)
    return f"{value:g}% is {value / 100:g}" if takes else ""


def _plain(value: Any) -> str:
    """A number as people write it: 2 for 2.0."""
    return str(value).removesuffix(".0")


def _shortened(value: int) -> str:
    """A whole number for a message; Python refuses to write one of thousands of digits."""
    return str(value) if abs(value) < 10**30 else f"a number of {value.bit_length()} bits"
