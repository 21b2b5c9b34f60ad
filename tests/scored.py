"""Small pictures with scores: noise whose brightness grows with the score, in every layout that scores are read from."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16


def pictures(scores: Sequence[float], *, seed: int = 0) -> np.ndarray:
    """Grey pictures (n, h, w) uint8."""
    random = np.random.default_rng(seed)
    level = (np.asarray(scores, dtype=np.float64) - min(scores)) / max(np.ptp(scores), 1e-9)
    noise = random.normal(0, 20, (len(scores), SIDE, SIDE))
    return np.clip(40 + 150 * level[:, None, None] + noise, 0, 255).astype(np.uint8)


def integer_scores(n: int = 120, *, levels: int = 6, seed: int = 0) -> list[int]:
    """Integer scores from 0, each level among them."""
    return [k % levels for k in np.random.default_rng(seed).permutation(n).tolist()]


def table_folder(root: Path, scores: Sequence[float], *, more: Mapping[str, Sequence[object]] | None = None) -> Path:
    """A folder with pictures and a labels.csv with the columns file, score and `more`."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"p{k:03}.png" for k in range(len(scores))]
    for name, image in zip(names, pictures(scores), strict=True):
        Image.fromarray(image).save(root / name)
    columns = {"file": names, "score": [f"{score:g}" for score in scores], **(more or {})}
    write_table(root / "labels.csv", columns)
    return root


def score_folders(root: Path, scores: Sequence[float]) -> Path:
    """A folder per score with the same pictures."""
    for k, (score, image) in enumerate(zip(scores, pictures(scores), strict=True)):
        folder = root / f"{score:g}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"p{k:03}.png")
    return root


def write_table(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    """A csv of these columns."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def changed(path: Path, column: str, row: int, value: str) -> None:
    """Write another cell; rows count from 1."""
    lines = list(csv.reader(path.read_text().splitlines()))
    lines[row][lines[0].index(column)] = value
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)


Change = Callable[[Path], object]
