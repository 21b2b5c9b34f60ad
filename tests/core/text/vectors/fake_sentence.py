"""A kind of vectors that a device computes, without a network: it stands for `sentence` and notes the devices it was given."""

import zlib

import numpy as np
import pytest

from dlcli.core.text.tokens import ngrams
from dlcli.core.text.vectors.encoders import sentence

SPEC = "sentence:fake"


def install(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make `SPEC` work, by counts of hashed trigrams; returns a list to which each call adds its device."""
    devices: list[str] = []

    def vectors(keys: list[str], argument: str, *, device: str = "auto") -> np.ndarray:
        assert argument == "fake"
        devices.append(device)
        rows = np.zeros((len(keys), 64), np.float32)
        for row, key in zip(rows, keys, strict=True):
            for gram in ngrams(key, 3, 3):
                row[zlib.crc32(gram.encode()) % 64] += 1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    monkeypatch.setattr(sentence, "check", lambda argument: None)
    monkeypatch.setattr(sentence, "vectors", vectors)
    return devices
