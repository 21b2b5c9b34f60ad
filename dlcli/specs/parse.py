"""Parsers for option values; each raises ValueError with one sentence for text that it cannot read."""

import math
from typing import Any

_MOST = 10_000
"""Values of the longest range."""
_DIGITS = 30


def floats(value: Any) -> tuple[float, ...]:
    """`0.1`, `0.1,0.2` or a range `0:0.3:0.1` (start:stop:step, stop included) to numbers, in the order given."""
    if isinstance(value, (int, float)):
        return (float(value),)
    if isinstance(value, (list, tuple)):
        return tuple(float(item) for item in value)
    return tuple(number for part in str(value).split(",") for number in _part(part.strip()))


def _part(part: str) -> tuple[float, ...]:
    pieces = part.split(":")
    if len(pieces) == 1:
        return (_number(part),)
    if len(pieces) != 3:
        raise ValueError(f"'{part}' is not a range; write START:STOP:STEP")
    start, stop, step = (_number(piece) for piece in pieces)
    if step <= 0 or stop < start:
        raise ValueError(f"'{part}' is an empty range; write START:STOP:STEP with STEP above 0 and STOP not below START")
    number = int((stop - start) / step + 1e-9) + 1
    if number > _MOST:
        raise ValueError(f"'{part}' has {number:,} values, more than {_MOST:,}")
    # Rounded so that 0:0.3:0.1 ends in 0.3 and not in 0.30000000000000004, which would fall off the end.
    return tuple(round(start + k * step, 12) for k in range(number))


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a number") from None
    if not math.isfinite(found):
        raise ValueError(f"'{text}' is not finite")
    return found


def show_floats(values: tuple[float, ...]) -> str:
    """The numbers as `floats` reads them."""
    return ",".join(f"{value:g}" for value in values)


ESTABLISHED = "established"
"""What stands behind a condition that fails only where the whole interval does."""


def condition(value: Any) -> tuple[str, float] | tuple[str, float, str] | None:
    """Parse a condition on a metric.

    Returns:
        The metric and its bound: `robust=0.5` gives ("robust", 0.5), and `robust=0.5:established` that word as well.
    """
    if value is None or isinstance(value, tuple):
        return value
    name, equals, given = str(value).partition("=")
    if not equals:
        raise ValueError(f"'{value}' is not a condition; write METRIC=VALUE, e.g. robust=0.5")
    bound, colon, word = given.partition(":")
    if not colon:
        return name.strip(), _number(bound.strip())
    if word.strip() != ESTABLISHED:
        raise ValueError(f"'{word.strip()}' is not {ESTABLISHED}; write METRIC=VALUE or METRIC=VALUE:{ESTABLISHED}")
    return name.strip(), _number(bound.strip()), ESTABLISHED


def show_condition(value: tuple[str, float] | tuple[str, float, str]) -> str:
    """The condition as `condition` reads it."""
    return f"{value[0]}={value[1]:g}" + (f":{value[2]}" if len(value) > 2 else "")


def adversarial(value: Any) -> tuple[str, float, float] | None:
    """Parse the attack of adversarial training.

    Returns:
        The method, eps, and the fraction of each batch that is attacked: `fgsm:0.3` gives ("fgsm", 0.3, 1.0).
    """
    if value is None or isinstance(value, tuple):
        return value
    method, *numbers = str(value).split(":")
    if not method or len(numbers) not in (1, 2):
        raise ValueError(f"'{value}' is not METHOD:EPS or METHOD:EPS:SHARE, e.g. fgsm:0.3")
    return method, _number(numbers[0]), _number(numbers[1]) if len(numbers) == 2 else 1.0


def show_adversarial(value: tuple[str, float, float]) -> str:
    """The method as `adversarial` reads it."""
    return f"{value[0]}:{value[1]:g}:{value[2]:g}"


def early_stop(value: Any) -> tuple[str, int] | None:
    """Parse the condition of early stopping.

    Returns:
        The metric and the patience in epochs, 5 by default: `loss:10` gives ("loss", 10).
    """
    if value is None or isinstance(value, tuple):
        return value
    metric, colon, patience = str(value).partition(":")
    if colon and not patience.isdecimal():
        raise ValueError(f"'{value}' is not METRIC or METRIC:EPOCHS, e.g. accuracy:5")
    return metric, whole(patience) if colon else 5


def show_early_stop(value: tuple[str, int]) -> str:
    """The condition as `early_stop` reads it."""
    return f"{value[0]}:{value[1]}"


def whole(value: Any) -> int:
    """A whole number; raises ValueError for anything else, and for numbers of more digits than any option takes."""
    text = str(value) if not isinstance(value, int) else ""
    if len(text) > _DIGITS:
        raise ValueError(f"'{text[:_DIGITS]}...' has too many digits")
    return int(value)


def whole_numbers(value: Any) -> tuple[int, ...] | None:
    """Parse whole numbers.

    Returns:
        The numbers in the order given: `1,2` gives (1, 2).
    """
    if value is None or isinstance(value, tuple):
        return value
    if isinstance(value, int):
        return (value,)
    parts = [str(part).strip() for part in (value if isinstance(value, list) else str(value).split(","))]
    for part in parts:
        if not (part.isascii() and part.isdigit()):
            raise ValueError(f"'{part}' is not a whole number; write 1,2")
    return tuple(map(whole, parts))


def show_whole_numbers(values: tuple[int, ...]) -> str:
    """The numbers as `whole_numbers` reads them."""
    return ",".join(map(str, values))
