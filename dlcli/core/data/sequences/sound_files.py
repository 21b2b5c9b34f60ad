"""Sounds of .wav files as sequences of one channel."""

import warnings
import wave
from collections.abc import Iterator
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.data.sequences.base import Floats
from dlcli.support.errors import InputError

_HINT = "convert it to PCM, as sox or ffmpeg do, or remove it"


class Sound(NamedTuple):
    """Samples (channels, t) float32 in [-1, 1], and how many there are per second."""

    samples: Floats
    rate: int


def read_sound(file: Path) -> Sound:
    """Read a .wav of 8, 16, 24 or 32 bits or of floats; raises InputError, naming it, if it is not one, or is empty."""
    from scipy.io import wavfile  # takes half a second to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of chunks that hold no sound
            rate, found = wavfile.read(file)
    except (ValueError, OSError, EOFError, RuntimeError) as error:
        raise InputError(f"{file}: is not a .wav that can be read ({str(error).splitlines()[0]})", hint=_HINT) from None
    if not found.size:
        raise InputError(f"{file}: holds no sound", hint="remove it")
    return Sound(_scaled(found.reshape(len(found), -1).T), int(rate))


def _scaled(values: NDArray[np.generic]) -> Floats:
    """Samples on the scale of [-1, 1], as scipy gives them: those of 24 bits lie in the upper bytes of 32."""
    if values.dtype == np.uint8:
        return ((values.astype(np.float32)) - 128) / np.float32(128)
    if values.dtype.kind == "i":
        return (values.astype(np.float64) / 2.0 ** (8 * values.dtype.itemsize - 1)).astype(np.float32)
    return values.astype(np.float32)


def mono(samples: Floats) -> Floats:
    """The mean (1, t) of channels (c, t)."""
    return samples if len(samples) == 1 else samples.mean(0, keepdims=True, dtype=np.float64).astype(np.float32)


def resampled(samples: Floats, rate: int, wanted: int) -> Floats:
    """Samples (1, t) at another rate, by a polyphase filter that removes what that rate cannot hold.

    Args:
        samples: The samples.
        rate: How many there are per second.
        wanted: How many there will be.
    """
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    found: Floats = resample_poly(samples.astype(np.float64), wanted // common, rate // common, axis=1).astype(np.float32)
    return found


class SoundStream:
    """The samples of a .wav of 8, 16, 24 or 32 bits, part by part, never all in memory.

    Attributes:
        rate: Samples per second.
        length: Number of samples.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            with wave.open(str(file), "rb") as header:
                self.rate, self.length = header.getframerate(), header.getnframes()
        except (wave.Error, EOFError, OSError) as error:
            raise InputError(f"{file}: is not a PCM .wav that can be read ({error})", hint=_HINT) from None

    def parts(self, steps: int) -> Iterator[Floats]:
        """Parts (1, `steps`) one after the other, the last one maybe shorter."""
        with wave.open(str(self._file), "rb") as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            while data := file.readframes(steps):
                yield mono(_scaled(_integers(data, width).reshape(-1, channels).T))


def _integers(data: bytes, width: int) -> NDArray[np.generic]:
    if width != 3:
        return np.frombuffer(data, dtype={1: "u1", 2: "<i2", 4: "<i4"}[width])
    wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0]
