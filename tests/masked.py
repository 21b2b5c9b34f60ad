"""Folders of pictures with masks, made for tests: bright rectangles of some classes on a dark ground."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (24, 32)
CLASSES = ("ground", "box", "bar")
COLOURS = np.array([[40, 40, 60], [220, 60, 60], [60, 220, 90]], dtype=np.uint8)


def scene(seed: int, size: tuple[int, int] = SIZE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture (h, w, 3) with some noise and its mask (h, w)."""
    source = np.random.default_rng(seed)
    mask = np.zeros(size, dtype=np.uint8)
    for label in (1, 2):
        top, left = (int(source.integers(0, side // 2)) for side in size)
        mask[top : top + size[0] // 3, left : left + size[1] // 3] = label
    noise = source.integers(-20, 21, (*size, 3))
    return np.clip(COLOURS[mask] + noise, 0, 255).astype(np.uint8), mask


def masked_folder(
    root: Path, n: int, *, sets: Sequence[str] = (), names: Sequence[str] = (), sizes: Sequence[tuple[int, int]] = (SIZE,)
) -> Path:
    """A folder with images/, masks/ and classes.txt, or one with such folders for each of `sets`."""
    names = names or [f"scene-{(k * 37) % 1009}-{'abcdef'[k % 6]}" for k in range(n)]
    for number, part in enumerate(sets or ("",)):
        for k in range(n):
            image, mask = scene(1000 * number + k, sizes[k % len(sizes)])
            save(root / part, names[k], image, mask)
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def save(folder: Path, name: str, image: NDArray[np.uint8], mask: NDArray[np.integer]) -> Path:
    """Write a picture and its mask; the file of the mask."""
    for kind, pixels in (("images", image), ("masks", mask)):
        path = folder / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return path
