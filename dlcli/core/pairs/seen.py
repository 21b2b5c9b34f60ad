"""Which texts and pairs a scorer was fitted on, so that eval can report those that it knows already.

A run directory has a hash of each text and each pair of the training and the dev part. Texts count as the same after folding.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.text.tokens import fold_all
from dlcli.support.atomic import atomic_path
from dlcli.support.errors import InputError

_BYTES = 8

Hashes = NDArray[np.int64]


@dataclass(frozen=True)
class SeenPairs:
    """Hashes of what a scorer was fitted on.

    Attributes:
        texts: Of each text, sorted.
        pairs: Of each pair of texts, in either order, sorted.
    """

    texts: Hashes
    pairs: Hashes

    @staticmethod
    def of(parts: Sequence[LabelledPairs]) -> "SeenPairs":
        """Of the parts that a scorer was fitted on."""
        sides = [_sides(part) for part in parts]
        texts, pairs = [one for pair in sides for one in pair], [_of_pairs(*pair) for pair in sides]
        return SeenPairs(np.unique(np.concatenate(texts)), np.unique(np.concatenate(pairs)))

    def find(self, pairs: LabelledPairs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which pairs are known.

        Args:
            pairs: The pairs of an evaluation.

        Returns:
            Whether the scorer was fitted on a text of each pair, and whether on the pair itself, (pairs,) each.
        """
        first, second = _sides(pairs)
        known = np.isin(first, self.texts) | np.isin(second, self.texts)
        return known, np.isin(_of_pairs(first, second), self.pairs)


def save_seen(path: Path, seen: SeenPairs) -> None:
    """Write the hashes to a file."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(save({"texts": seen.texts, "pairs": seen.pairs}))


def read_seen(path: Path) -> SeenPairs:
    """The hashes in a file that `save_seen` wrote; raises InputError if it is damaged."""
    try:
        found = load(path.read_bytes())
        return SeenPairs(found["texts"].astype(np.int64), found["pairs"].astype(np.int64))
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({str(error).splitlines()[0]})", hint="train again") from None


def _sides(pairs: LabelledPairs) -> tuple[Hashes, Hashes]:
    """The hash of both texts of each pair, (pairs,) each."""
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_BYTES] for text in fold_all(pairs.texts))
    texts = np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
    return texts[pairs.first], texts[pairs.second]


def _of_pairs(first: Hashes, second: Hashes) -> Hashes:
    """One number for each pair, the same in both orders."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    found: Hashes = low * np.int64(0x9E3779B1) ^ (high + (low << np.int64(6)))
    return found
