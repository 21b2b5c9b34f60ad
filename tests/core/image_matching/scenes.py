"""Generated images, and their grey copies."""

import numpy as np
from PIL import Image

from benchmarks._photo_copies import scene as _scene
from dlcli.core.image_matching.reading import SIDE


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """The scene of a seed."""
    return _scene(np.random.default_rng(seed), size)


def grey_copy(image: Image.Image) -> np.ndarray:
    """What `read_image` keeps of it."""
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
