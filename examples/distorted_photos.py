"""Photographs, each blurred and compressed at some of ten levels, as scores: a .npz that keeps every photograph in one set.

python examples/distorted_photos.py photos/ -o distorted.npz
"""

import argparse
import io
from pathlib import Path

import numpy as np
from _page import run_script
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dlcli.core.compute.loader import to_float
from dlcli.core.data import open_data
from dlcli.support.errors import InputError

LEVELS = 10
_BLUR, _BEST, _WORST = 0.25, 95, 5
"""Pixels of blur per level, and the qualities of JPEG at the lowest and the highest level."""

Bytes = NDArray[np.uint8]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="as of --data of dlcli train; labels are not read")
    parser.add_argument("--size", type=int, default=32, help="height and width in pixels (default: 32)")
    parser.add_argument("--copies", type=int, default=4, help="copies of each photograph, at different levels (default: 4)")
    parser.add_argument("--test", type=float, default=0.25, help="share of photographs in the test set (default: 0.25)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz")
    options = parser.parse_args()
    photos = open_data(options.photos, size=options.size, unlabelled=True).x_test
    if len(photos) < 10 or photos.shape[1] != 3:
        raise InputError(f"{options.photos}: 10 photographs in colour are needed")
    random = np.random.default_rng(options.seed)
    pixels = np.rint(255 * to_float(photos).numpy().transpose(0, 2, 3, 1)).astype(np.uint8)
    found = [distorted(photo, options.copies, random) for photo in pixels]
    in_test = set(random.permutation(len(photos))[: round(options.test * len(photos))].tolist())
    arrays = {}
    for name, chosen in (("train", [k for k in range(len(photos)) if k not in in_test]), ("test", sorted(in_test))):
        arrays[f"x_{name}"] = np.concatenate([found[k][0] for k in chosen])
        arrays[f"y_{name}"] = np.concatenate([found[k][1] for k in chosen]).astype(np.float32)
    with options.output.open("wb") as file:
        np.savez_compressed(file, **arrays)


def distorted(photo: Bytes, copies: int, random: np.random.Generator) -> tuple[Bytes, NDArray[np.int64]]:
    """Copies of a photograph (h, w, 3), each blurred or compressed.

    Args:
        photo: The pixels.
        copies: How many, each at another level.
        random: Draws the levels and the kinds.

    Returns:
        The copies (copies, h, w, 3), and their levels, from 0 to LEVELS - 1.
    """
    levels = random.choice(LEVELS, copies, replace=False)
    kinds = random.choice((blurred, compressed), copies)
    return np.stack([change(photo, int(level)) for change, level in zip(kinds, levels, strict=True)]), levels


def blurred(photo: Bytes, level: int) -> Bytes:
    """A photograph (h, w, 3) after a Gaussian blur."""
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(_BLUR * level)))


def compressed(photo: Bytes, level: int) -> Bytes:
    """A photograph (h, w, 3) after compression as JPEG."""
    quality = round(_BEST + (_WORST - _BEST) * level / (LEVELS - 1))
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


if __name__ == "__main__":
    run_script(main)
