"""Sequences drawn as curves in small grey pictures, for the pages on which images stand otherwise."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.padding import lengths_of

_HEIGHT, _WIDTH = 48, 96


def drawn(x: Tensor) -> NDArray[np.float32]:
    """Pictures (m, 1, 48, 96) in [0, 1] of padded sequences (m, channels, t): a dark curve per channel, over all steps.

    At each column stands the range of the values of its steps, so that no peak is lost.
    """
    found = np.ones((len(x), 1, _HEIGHT, _WIDTH), dtype=np.float32)
    for picture, sequence, steps in zip(found, x.numpy(), lengths_of(x).tolist(), strict=True):
        values = sequence[:, : max(1, steps)]
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        rows = (high - values) / ((high - low) or 1.0) * (_HEIGHT - 1)
        for curve in rows:
            _draw(picture[0], curve)
    return found


def _draw(picture: NDArray[np.float32], curve: NDArray[np.float32]) -> None:
    places = np.linspace(0, len(curve) - 1, 4 * _WIDTH + 1) if len(curve) < 4 * _WIDTH else np.arange(len(curve), dtype=float)
    fine = np.interp(places, np.arange(len(curve)), curve)
    for column, part in enumerate(np.array_split(fine, _WIDTH)):
        picture[round(float(part.min())) : round(float(part.max())) + 1, column] = 0
