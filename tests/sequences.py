"""Small sequences of two classes, slow and fast waves, in every layout that sequences are read from."""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.scored import write_table

Floats = NDArray[np.float64]
RATE = 1000


def waves(n: int = 24, *, channels: int = 1, low: int = 20, high: int = 32, seed: int = 0) -> tuple[list[Floats], list[str]]:
    """Sequences (channels, t) of `low` to `high` steps, rounded to four decimals, and their classes, fast and slow."""
    random = np.random.default_rng(seed)
    found, labels = [], []
    for k in range(n):
        steps = int(random.integers(low, high + 1))
        speed = (0.3, 1.1)[k % 2]
        phase = random.uniform(0, 6, (channels, 1))
        values = 0.6 * np.sin(speed * np.arange(steps) + phase) + random.normal(0, 0.05, (channels, steps))
        found.append(np.round(values, 4))
        labels.append(("slow", "fast")[k % 2])
    return found, labels


def write_ts(path: Path, values: Sequence[Floats], labels: Sequence[str], *, header: str = "") -> Path:
    """A .ts of the UEA archive."""
    lines = ["# a comment", "@problemName waves", "@timeStamps false", f"@classLabel true {' '.join(sorted(set(labels)))}"]
    rows = [
        ":".join([*(",".join(map(repr, map(float, one))) for one in each), label])
        for each, label in zip(values, labels, strict=True)
    ]
    path.write_text("\n".join([*lines, *filter(None, [header]), "@data", *rows]) + "\n")
    return path


def write_tsv(path: Path, values: Sequence[Floats], labels: Sequence[str]) -> Path:
    """A .tsv of the UCR archive: no header, the label first, NaN after the end of shorter sequences."""
    longest = max(one.shape[1] for one in values)
    rows = []
    for one, label in zip(values, labels, strict=True):
        cells = [label, *map(repr, map(float, one[0])), *["NaN"] * (longest - one.shape[1])]
        rows.append("\t".join(cells))
    path.write_text("\n".join(rows) + "\n")
    return path


def write_csv(path: Path, values: Sequence[Floats], labels: Sequence[str], **more: Sequence[object]) -> Path:
    """A sequence per row under a header; shorter rows end in empty cells."""
    longest = max(one.shape[1] for one in values)
    steps = {f"t{k}": [repr(float(one[0, k])) if k < one.shape[1] else "" for one in values] for k in range(longest)}
    return write_table(path, {"label": labels, **more, **steps})


def write_long(path: Path, values: Sequence[Floats], labels: Sequence[str], *, seed: int = 0) -> Path:
    """A row per step, in random order but for the first step of each sequence."""
    rows = [
        (f"s{k}", t, *map(float, one[:, t]), label)
        for k, (one, label) in enumerate(zip(values, labels, strict=True))
        for t in range(one.shape[1])
    ]
    first = [row for row in rows if row[1] == 0]
    rest = [row for row in rows if row[1] != 0]
    order = np.random.default_rng(seed).permutation(len(rest))
    rows = first + [rest[k] for k in order]
    names = ["id", "time", *(f"v{c}" for c in range(len(values[0]))), "label"]
    return write_table(path, {name: [row[k] for row in rows] for k, name in enumerate(names)})


def write_npz(path: Path, values: Sequence[Floats], labels: Sequence[str], **more: object) -> Path:
    """x (n, channels, t), 0 after the end of shorter sequences, with their lengths."""
    longest = max(one.shape[1] for one in values)
    x = np.zeros((len(values), len(values[0]), longest), dtype=np.float32)
    for row, one in zip(x, values, strict=True):
        row[:, : one.shape[1]] = one
    np.savez(path, x=x, y=np.array(labels), lengths=np.array([one.shape[1] for one in values]), **more)
    return path


def write_wav(path: Path, samples: NDArray[np.integer], *, rate: int = RATE, width: int = 2) -> Path:
    """Samples (t,) or (t, channels), whole numbers of `width` bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    each = samples[:, None] if samples.ndim == 1 else samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(each.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        if width == 1:
            file.writeframes((each + 128).astype("u1").tobytes())
        elif width == 3:
            file.writeframes(each.astype("<i4").view("u1").reshape(-1, 4)[:, :3].tobytes())
        else:
            file.writeframes(each.astype(f"<i{width}").tobytes())
    return path


def wav_folder(root: Path, values: Sequence[Floats], labels: Sequence[str], *, speakers: int = 3) -> Path:
    """A folder per class of .wav with 16 bits, by several speakers, whose names begin those of the files."""
    for k, (one, label) in enumerate(zip(values, labels, strict=True)):
        samples = np.round(one[0] * 2**14).astype(np.int64)
        write_wav(root / label / f"speaker{k // 2 % speakers}_{k}.wav", samples)
    return root


def text_folder(root: Path, n: int = 12) -> Path:
    """A folder per class of .txt: repeated letters, or letters that alternate."""
    for k in range(n):
        for label, text in (("flat", "ab"[k % 2] * (6 + k)), ("mixed", "ab" * (4 + k))):
            (root / label).mkdir(parents=True, exist_ok=True)
            (root / label / f"{k}.txt").write_text(text)
    return root
