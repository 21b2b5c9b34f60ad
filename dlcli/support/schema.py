"""What a file of metadata must hold: a check for each value, declared once per kind of file.

A check takes a decoded value and returns what it must be, or "" where it is that.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], str]

LONGEST = 4096
"""Characters of the longest text that is a name or a path."""


def text(longest: int = LONGEST) -> Check:
    """A string of at most that many characters that can be written as UTF-8."""
    return lambda value: "" if isinstance(value, str) and len(value) <= longest and _encodable(value) else "text"


def whole(least: int, most: int) -> Check:
    """A whole number from `least` to `most`; true and false are none."""

    def check(value: Any) -> str:
        right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if right else f"a whole number from {least:,} to {most:,}"

    return check


def number(least: float = -math.inf, most: float = math.inf) -> Check:
    """A finite number from `least` to `most`."""

    def check(value: Any) -> str:
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
        return "" if right and abs(value) < math.inf else "a finite number" + _range(least, most)

    return check


def real() -> Check:
    """A number, infinite or not a number included."""
    return lambda value: "" if isinstance(value, (int, float)) and not isinstance(value, bool) else "a number"


def boolean() -> Check:
    """True or false."""
    return lambda value: "" if isinstance(value, bool) else "true or false"


def sha256() -> Check:
    """A SHA-256 as 64 hexadecimal digits."""
    found = re.compile("[0-9a-f]{64}")
    return lambda value: "" if isinstance(value, str) and found.fullmatch(value) else "a SHA-256"


def one_of(*values: Any) -> Check:
    """One of these strings."""
    return lambda value: "" if isinstance(value, str) and value in values else f"one of {', '.join(values)}"


def optional(check: Check) -> Check:
    """Null, or what `check` accepts."""
    return lambda value: "" if value is None else check(value)


def list_of(check: Check, *, least: int = 0, most: int = 10_000_000) -> Check:
    """A list of `least` to `most` values that `check` accepts."""

    def checked(value: Any) -> str:
        if not isinstance(value, list) or not least <= len(value) <= most:
            return "a list" + (f" of {least}" if least == most else f" of at least {least}" if least else "")
        wrong = next(filter(None, map(check, value)), "")
        return f"a list in which each is {wrong}" if wrong else ""

    return checked


def mapping_of(check: Check) -> Check:
    """An object, with any names, whose values `check` accepts."""

    def checked(value: Any) -> str:
        if not isinstance(value, dict) or not all(map(_encodable, value)):
            return "an object"
        wrong = next(filter(None, map(check, value.values())), "")
        return f"an object in which each value is {wrong}" if wrong else ""

    return checked


def record(needed: Mapping[str, Check], more: Mapping[str, Check] | None = None, *, closed: bool = False) -> Check:
    """An object with the names of `needed` and perhaps those of `more`; others are not looked at, or refused if `closed`."""

    def check(value: Any) -> str:
        if not isinstance(value, dict):
            return "an object"
        unknown = [name for name in value if name not in needed and name not in (more or {})]
        if closed and unknown:
            return f"an object without '{unknown[0]}'"
        for name, one in {**needed, **(more or {})}.items():
            if name not in value and name in needed:
                return f"an object with '{name}'"
            if name in value and (wrong := one(value[name])):
                return f"an object in which '{name}' is {wrong}"
        return ""

    return check


def first_fault(found: Mapping[str, Any], needed: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> str:
    """The first value of an object that is not as declared, as `size must be a list of 2`; empty if there is none.

    Args:
        found: The decoded object.
        needed: What must be there.
        more: What may be there.
    """
    for name, check in {**needed, **(more or {})}.items():
        if name not in found:
            if name in needed:
                return f"{name} is missing"
        elif wrong := check(found[name]):
            return f"{name} must be {wrong}"
    return ""


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _range(least: float, most: float) -> str:
    lower = f" from {least:g}" if least > -math.inf else ""
    return lower + (f" to {most:g}" if most < math.inf else "")
