"""Whether float32, in which networks compute, tells the values of sequences apart."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.support.errors import InputError
from dlcli.support.reporter import Reporter

_RESOLUTION = 1e-4
"""The largest error of a value in float32, as a share of the range of its channel."""
_NOISE = 1e-13
"""Values that differ by less than this share of their size are equal: their difference is rounding."""

Values = NDArray[np.float32] | NDArray[np.float64]


class _Range(NamedTuple):
    """The least and the largest value of a channel, and the largest error of one in float32."""

    low: float
    high: float
    error: float


def check_precision(name: str, sets: Mapping[str, Sequence[Values]], report: Reporter) -> None:
    """See that the channels keep in float32 what tells their values apart, and warn of a training set of equal values.

    Args:
        name: Of the data, for messages.
        sets: The finite values (channels, t) of each sequence of each set.
        report: Receives the warning.

    Raises:
        InputError: If the values of a channel are too large, or too close together for their size.
    """
    for key, sequences in sets.items():
        ranges, trained = _ranges(sequences), key == "train"
        for channel, one in enumerate(ranges, 1):
            _check(f"{name}: " + (f"channel {channel} has" if len(ranges) > 1 else "has"), one, trained=trained)
        if trained and all(one.low == one.high for one in ranges):
            what = "values at all steps" if len(ranges) > 1 else f"value at all steps, {ranges[0].low:g}"
            report.warn(f"{name}: the training set has the same {what}; only lengths can tell its sequences apart")


def _check(what: str, found: _Range, *, trained: bool) -> None:
    """Other sets are on the scale of the training set, so how close together their own values are does not matter."""
    low, high, error = found
    if not np.isfinite(error):
        hint = "divide all values by one number, so that they are about 1"
        raise InputError(f"{what} values from {low:g} to {high:g}, which are too large", hint=hint)
    apart = high - low > _NOISE * max(abs(low), abs(high))
    if trained and apart and error > _RESOLUTION * (high - low):
        close = f"{what} values from {low:.12g} to {high:.12g}, which are too close together for numbers of 7 digits"
        raise InputError(close, hint=f"subtract {low:.12g} from all of them")


def _ranges(sequences: Sequence[Values]) -> list[_Range]:
    """The range of each channel over all sequences."""
    low = np.min([one.min(1) for one in sequences], 0)
    high = np.max([one.max(1) for one in sequences], 0)
    error = np.max([_error(one) for one in sequences], 0)
    return [_Range(*map(float, each)) for each in zip(low, high, error, strict=True)]


def _error(values: Values) -> NDArray[np.float64]:
    """The largest error of each channel in float32."""
    if values.dtype == np.float32:
        return np.zeros(len(values))
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    found: NDArray[np.float64] = np.abs(rounded - values).max(1)
    return found
