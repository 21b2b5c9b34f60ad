"""Values of sequences in text files."""

import math

import numpy as np

from dlcli.core.data.sequences.base import Floats
from dlcli.support.decimal_comma import has_decimal_comma, with_point
from dlcli.support.errors import InputError

_MISSING = ("", "?", "na", "n/a", "null", "none")


def number(where: str, cell: str) -> float:
    """A cell as a number; raises InputError, beginning with `where`, for anything else but a finite number or NaN."""
    text = cell.strip()
    try:
        found = float(text)
    except ValueError:
        if has_decimal_comma(text):
            what = f"is '{text[:40]}', not a number: its decimal mark is a comma"
            raise InputError(f"{where} {what}", hint=with_point(text)) from None
        missing = f"is missing ('{text}')" if text else "is missing"
        what = missing if text.lower() in _MISSING else f"is '{text[:40]}', not a number"
        raise InputError(f"{where} {what}", hint="fill missing values in, or remove the sequence") from None
    if math.isinf(found):
        raise InputError(f"{where} is '{text[:40]}', not a finite number", hint="replace it, or remove the sequence")
    return found


def cut_padding(values: Floats) -> Floats:
    """Values (channels, t) without the NaN at the end by which files write that a sequence is shorter than others."""
    there = np.flatnonzero(~np.isnan(values).all(0))
    return values[:, : there[-1] + 1 if len(there) else 0]
