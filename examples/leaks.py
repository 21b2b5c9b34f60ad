"""How many copies of training images are found in a test set, and how many others are taken for some, as Markdown.

python examples/leaks.py photographs/ --digits mnist.npz -o leaks.md

Images are scaled to squares first, and then copied: compressed, mirrored or cropped at the pixels that a network gets. Half of
the photographs, or 300 of 900 digits, are training images; the test images are the others and a copy of each training image.
"""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _page import page_options, run_script, table, today, write_page
from PIL import Image, ImageOps

from dlcli.core.image_matching.leaks import duplicates_between
from dlcli.core.proportion import proportion
from dlcli.specs.figures import percent

PHOTOGRAPHS = ((32, "RGB"), (32, "L"), (64, "RGB"), (64, "L"), (256, "RGB"))
DIGITS = (28, 32, 64)
TRAINING, ALL = 300, 900
"""Digits."""

Draw = np.random.Generator
Change = Callable[[Image.Image, Draw], Image.Image]


def main() -> None:
    """Plant, look, and print or write the Markdown."""
    parser = page_options(__doc__)
    parser.add_argument("photographs", type=Path, help="a folder of different photographs")
    parser.add_argument("--digits", type=Path, help="an .npz of digits: x_train, (n, 28, 28) bytes")
    options = parser.parse_args()
    source = np.random.default_rng(options.seed)
    rows = [
        row
        for images, half, name in sets(options.photographs, options.digits, source)
        for row in found(images, half, name, source)
    ]
    head = ["images", "copy", "found, %", "wrong", "of all found right, %"]
    write_page("\n\n".join([table(head, rows), f"Measured on {today()}, seed {options.seed}."]) + "\n", options.output)


def sets(photographs: Path, digits: Path | None, source: Draw) -> Iterator[tuple[list[Image.Image], int, str]]:
    """Images of one size, how many of them are training images, and what they are called."""
    files = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    order = source.permutation(len(files))
    for side, mode in PHOTOGRAPHS:
        images = [square(Image.open(files[k]), side, mode) for k in order]
        yield images, len(files) // 2, f"photographs, {side} pixels{', grey' if mode == 'L' else ''}"
    if digits is None:
        return
    with np.load(digits) as stored:
        chosen = stored["x_train"][source.permutation(len(stored["x_train"]))[:ALL]]
    for side in DIGITS:
        yield [square(Image.fromarray(one), side, "L") for one in chosen], TRAINING, f"digits, {side} pixels"


def found(images: list[Image.Image], half: int, name: str, source: Draw) -> Iterator[list[str]]:
    """A row for each kind of copy."""
    train, others = stacked(images[:half]), images[half:]
    for kind, change in COPIES.items():
        pairs = duplicates_between(stacked([*(change(one, source) for one in images[:half]), *others]), train)
        right = int(((pairs.first < half) & (pairs.first == pairs.second)).sum())
        every = len(pairs.first)
        share = percent(proportion(right, every)) if every else "–"
        yield [name, kind, percent(proportion(right, half)), f"{every - right} of {len(others)}", share]


def square(image: Image.Image, side: int, mode: str) -> Image.Image:
    """The middle of an image, scaled."""
    return ImageOps.fit(ImageOps.exif_transpose(image).convert(mode), (side, side), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, source: Draw) -> Image.Image:
    """Compressed."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=int(source.integers(30, 91)))
    return Image.open(buffer).convert(image.mode)


def mirrored(image: Image.Image, source: Draw) -> Image.Image:
    """Left and right exchanged."""
    return ImageOps.mirror(image)


def cropped(image: Image.Image, source: Draw) -> Image.Image:
    """80% to 95% of each side, anywhere, enlarged to the same size."""
    side = round(image.width * source.uniform(0.8, 0.95))
    left, top = (int(source.integers(0, image.width - side + 1)) for _ in range(2))
    return image.crop((left, top, left + side, top + side)).resize(image.size, Image.Resampling.BILINEAR)


def both(image: Image.Image, source: Draw, first: Change, second: Change) -> Image.Image:
    """Changed twice."""
    return second(first(image, source), source)


COPIES: dict[str, Change] = {
    "JPEG of quality 30 to 90": jpeg,
    "mirrored": mirrored,
    "crop of 80% to 95% of each side": cropped,
    "mirrored, JPEG": partial(both, first=mirrored, second=jpeg),
    "mirrored, crop": partial(both, first=mirrored, second=cropped),
    "crop, JPEG": partial(both, first=cropped, second=jpeg),
}


def stacked(images: list[Image.Image]) -> torch.Tensor:
    """Images (n, channels, side, side) in [0, 1]."""
    arrays = np.stack([np.asarray(image) for image in images])
    arrays = arrays[:, None] if arrays.ndim == 3 else arrays.transpose(0, 3, 1, 2)
    return torch.from_numpy(arrays.copy()).float() / 255


if __name__ == "__main__":
    run_script(main)
