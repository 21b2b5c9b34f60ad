"""Durations as they are typed: `60s`, `1.5m` or `2h`."""

import math
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(value: Any) -> float | None:
    """Seconds of a duration such as `60s`, `5m` or `500ms`; a number alone counts seconds. Raises ValueError if it is none."""
    if value is None or isinstance(value, (int, float)):
        return None if value is None else float(value)
    text = str(value).strip()
    unit = next((one for one in _UNITS if text.endswith(one) and text.removesuffix(one)[-1:].isdigit()), "")
    try:
        found = float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"'{value}' is not a duration; write 60s, 5m, 2h or 500ms")
    return found


def show_seconds(value: float) -> str:
    """A duration as `seconds` reads it."""
    return f"{value:g}s"
