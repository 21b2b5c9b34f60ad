"""A static table of word vectors, shipped with dlcli: what words mean, without a model and without a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

FILE = "word_vectors.npz"


@dataclass(frozen=True)
class WordVectors:
    """Vectors of words, found by the CRC-32 of the word.

    Attributes:
        hashes: CRC-32 of the words, sorted, (words,).
        table: Their vectors, (words, dimensions).
    """

    hashes: NDArray[np.int64]
    table: NDArray[np.float32]

    def of(self, vocabulary: Sequence[str]) -> NDArray[np.float32]:
        """The vector of each word, (vocabulary, dimensions), zeros for an unknown one."""
        wanted = np.array([crc32(word.encode("utf-8", "surrogatepass")) for word in vocabulary], np.int64)
        place = np.searchsorted(self.hashes, wanted).clip(max=len(self.hashes) - 1)
        known = self.hashes[place] == wanted
        return np.where(known[:, None], self.table[place], np.float32(0))


@cache
def built_in_vectors() -> WordVectors:
    """The table shipped with dlcli; read once."""
    with (files("dlcli.core.text.scoring") / FILE).open("rb") as stream, np.load(stream) as parts:
        return WordVectors(parts["hashes"].astype(np.int64), parts["table"].astype(np.float32) * parts["scale"])
