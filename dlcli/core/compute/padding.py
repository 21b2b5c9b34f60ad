"""Sequences that differ in length in one tensor (n, channels, t): what follows the end of a shorter one is NaN.

A value that is missing inside a sequence is refused where data are read, so NaN means nothing else. What forgets the padding
gives NaN, and no wrong figure.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Unpadded(NamedTuple):
    """Sequences (n, channels, t) with 0 in place of the padding, up to the end of the longest, and the length of each (n,)."""

    x: Tensor
    lengths: Tensor


def lengths_of(x: Tensor) -> Tensor:
    """The number of steps (n,) of each sequence (n, channels, t) before its padding."""
    return (~x[:, 0].isnan()).sum(1)


def without_padding(x: Tensor) -> Unpadded:
    """Sequences (n, channels, t) as a network can take them."""
    lengths = lengths_of(x)
    longest = int(lengths.max()) if len(x) else x.shape[2]
    return Unpadded(x[:, :, : max(1, longest)].nan_to_num(0.0), lengths)


def padded(sequences: Sequence[NDArray[np.float32] | NDArray[np.float64]], steps: int) -> Tensor:
    """Sequences (channels, t) in one tensor (n, channels, steps), float32."""
    found = np.full((len(sequences), sequences[0].shape[0] if sequences else 1, steps), np.nan, dtype=np.float32)
    for row, values in zip(found, sequences, strict=True):
        row[:, : values.shape[1]] = values
    return torch.from_numpy(found)
