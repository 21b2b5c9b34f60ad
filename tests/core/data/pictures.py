"""Folders of generated pictures, and what must be found in them."""

import numpy as np
from PIL import Image


def picture(path, pixels, **settings):
    """Write one picture, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **settings)
    return path


def noise(seed, shape=(6, 6, 3)):
    """Pixels that no other seed has."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def fill(folder, classes=("ant", "bee"), n=5, shape=(6, 6, 3), seed=0):
    """Distinct pictures, n a class; gives what was written, by path."""
    written = {}
    for k, name in enumerate(classes):
        for i in range(n):
            path = folder / name / f"{i:02}.png"
            written[path] = noise(1000 * seed + 100 * k + i, shape)
            picture(path, written[path])
    return written


def contents(split, classes):
    """The pixels of each image of a set in memory, with the name of its class."""
    return {(image.mul(255).round().byte().numpy().tobytes(), classes[k]) for image, k in zip(split.x, split.y, strict=True)}


def contents_of(written, folder):
    """The same of what `fill` wrote."""
    return {
        (pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1).tobytes(), path.relative_to(folder).parts[0])
        for path, pixels in written.items()
    }
