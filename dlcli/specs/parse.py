"""Parsers for option values; each raises ValueError with one sentence for text that it cannot read."""

import math
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from fractions import Fraction

_MOST = 10_000
"""Values of the longest range."""
_DIGITS = 30


def floats(value: Any) -> tuple[float, ...]:
    """Parse numbers.

    Args:
        value: `0.1`, `8/255`, `0.1,0.2`, a range `0:0.3:0.1` (start:stop:step, stop included), a number, or a list of these.

    Returns:
        The numbers in the order given.
    """
    if isinstance(value, float):
        return (value,)
    if isinstance(value, (list, tuple)):
        return tuple(found for item in value for found in floats(item))
    return tuple(found for part in str(value).split(",") for found in _part(part.strip()))


def _part(part: str) -> tuple[float, ...]:
    pieces = part.split(":")
    if len(pieces) == 1:
        return (number(part),)
    if len(pieces) != 3:
        raise ValueError(f"'{part}' is not a range; write START:STOP:STEP")
    # Exact, so that 0:0.3:0.1 ends in 0.3 and not in 0.30000000000000004, which would fall off the end.
    start, stop, step = (_exact(piece) for piece in pieces)
    if step <= 0 or stop < start:
        raise ValueError(f"'{part}' is an empty range; write START:STOP:STEP with STEP above 0 and STOP not below START")
    values = (stop - start) // step + 1
    if values > _MOST:
        raise ValueError(f"'{part}' has more than {_MOST:,} values")
    over = {int(piece.partition("/")[2]) for piece in pieces if "/" in piece and piece.partition("/")[2].strip().isdigit()}
    return tuple(_of_fraction(start + k * step, over) for k in range(values))


def number(text: str) -> float:
    """A decimal number such as `0.1`, or a fraction such as `8/255`, which prints as it was typed.

    Raises ValueError for anything else, and for numbers that are not finite.
    """
    over, slash, under = text.partition("/")
    if not slash:
        return _decimal(text, text)
    top, bottom = _decimal(over, text), _decimal(under, text)
    if bottom == 0:
        raise ValueError(f"'{text}' divides by zero")
    return Typed(_finite(top / bottom, text), text.replace(" ", ""))


class Typed(float):
    """A number that prints as it was typed where it is formatted with `g`; its value, JSON and CSV are those of the number."""

    def __new__(cls, value: float, text: str) -> Self:
        """The number `value`, typed as `text`."""
        made = super().__new__(cls, value)
        made._text = text
        return made

    _text: str

    def __getnewargs__(self) -> tuple[float, str]:  # type: ignore[override]  # float's own takes no text
        return float(self), self._text

    def __format__(self, spec: str) -> str:
        return self._text if spec == "g" else super().__format__(spec)


def _exact(text: str) -> "Fraction":
    from fractions import Fraction

    found = number(text)
    over, _, under = text.partition("/")
    if found == 0:
        return Fraction(0)  # without reading the text, for an exponent such as e-999999999 takes gigabytes
    return Fraction(over.strip()) / Fraction(under.strip() or 1)


def _of_fraction(value: "Fraction", denominators: set[int]) -> float:
    """The nearest float, which prints as a fraction of the one denominator that was typed if it is one."""
    found = float(value)
    below = next(iter(denominators)) if len(denominators) == 1 else 0
    if below and value and (value * below).denominator == 1:
        return Typed(found, f"{value * below}/{below}")
    return found


def _decimal(digits: str, text: str) -> float:
    try:
        found = float(digits)
    except ValueError:
        raise ValueError(f"'{text}' is not a number") from None
    return _finite(found, text)


def _finite(value: float, text: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is not finite")
    return value


def show_number(value: float) -> str:
    """The number as `number` reads it, bit for bit: as it was typed if that was a fraction, else its shortest decimal form."""
    return f"{value:g}" if isinstance(value, Typed) else repr(float(value)).removesuffix(".0")


def show_floats(values: tuple[float, ...]) -> str:
    """The numbers as `floats` reads them."""
    return ",".join(map(show_number, values))


ESTABLISHED = "established"
"""What stands behind a condition that fails only where the whole interval does."""


def condition(value: Any) -> tuple[str, float] | tuple[str, float, str] | None:
    """Parse a condition on a metric, whose name may hold `=` and `:` itself: what it ends in is the bound.

    Returns:
        The metric and its bound: `robust=0.5` gives ("robust", 0.5), and `robust=0.5:established` that word as well.
    """
    if value is None or isinstance(value, tuple):
        return value
    name, equals, given = str(value).rpartition("=")
    if not equals:
        raise ValueError(f"'{value}' is not a condition; write METRIC=VALUE, e.g. robust=0.5")
    bound, colon, word = given.partition(":")
    if not colon:
        return name.strip(), number(bound.strip())
    if word.strip() != ESTABLISHED:
        raise ValueError(f"'{word.strip()}' is not {ESTABLISHED}; write METRIC=VALUE or METRIC=VALUE:{ESTABLISHED}")
    return name.strip(), number(bound.strip()), ESTABLISHED


def show_condition(value: tuple[str, float] | tuple[str, float, str]) -> str:
    """The condition as `condition` reads it."""
    return f"{value[0]}={show_number(value[1])}" + (f":{value[2]}" if len(value) > 2 else "")


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
    return method, number(numbers[0]), number(numbers[1]) if len(numbers) == 2 else 1.0


def show_adversarial(value: tuple[str, float, float]) -> str:
    """The method as `adversarial` reads it."""
    return ":".join([value[0], *map(show_number, value[1:])])


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
            raise ValueError(f"'{part}' is not a whole number, or several such as 1,2")
    return tuple(map(whole, parts))


def show_whole_numbers(values: tuple[int, ...]) -> str:
    """The numbers as `whole_numbers` reads them."""
    return ",".join(map(str, values))
