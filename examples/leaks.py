"""How many copies of training photographs are found in a test set, and how many others are taken for some, as Markdown.

python examples/leaks.py photographs/ -o leaks.md
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _page import page_options, run_script, table, today, write_page
from PIL import Image, ImageOps

from dlcli.core.image_matching.leaks import duplicates_between
from dlcli.core.proportion import proportion
from dlcli.specs.figures import percent

SIDES = (32, 48, 64, 96)


def main() -> None:
    """Plant, look, and print or write the Markdown."""
    parser = page_options(__doc__)
    parser.add_argument("photographs", type=Path, help="a folder of different photographs")
    options = parser.parse_args()
    files = sorted(path for path in options.photographs.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    rows = [line for side in SIDES for line in found_at(files, side, options)]
    head = ["pixels", "training", "test, planted", "copy", "found, %", "taken for duplicates, wrongly"]
    facts = f"Measured on {today()}: {len(files)} photographs, half of them training images, seed {options.seed}."
    write_page("\n\n".join([table(head, rows), facts]) + "\n", options.output)


def found_at(files: list[Path], side: int, options: argparse.Namespace) -> list[list[str]]:
    """A row for each kind of copy, at images of one size."""
    source = np.random.default_rng(options.seed)
    order = source.permutation(len(files))
    half = len(files) // 2
    train = [opened(files[k]) for k in order[:half]]
    others = [opened(files[k]) for k in order[half:]]
    x = stacked(train, side)
    rows = []
    for name, copy in COPIES.items():
        test = stacked([*(copy(image, source) for image in train), *others], side)
        duplicates = duplicates_between(test, x)
        planted = duplicates.first < half
        right = int((planted & (duplicates.first == duplicates.second)).sum())
        wrong = len(duplicates.first) - right
        rows.append(
            [
                f"{side}",
                f"{half}",
                f"{len(test)}, {half}",
                name,
                percent(proportion(right, half)),
                f"{wrong} of {len(duplicates.first)}",
            ]
        )
    return rows


def opened(path: Path) -> Image.Image:
    """A photograph, the shorter side at most 480 pixels."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    image.thumbnail((640, 640))
    return image


def jpeg(image: Image.Image, source: np.random.Generator) -> Image.Image:
    """Compressed again, strongly."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=int(source.integers(20, 60)))
    return Image.open(buffer).convert("RGB")


def mirrored(image: Image.Image, source: np.random.Generator) -> Image.Image:
    """Left and right exchanged, and compressed."""
    return jpeg(ImageOps.mirror(image), source)


def cropped(image: Image.Image, source: np.random.Generator) -> Image.Image:
    """85% to 95% of each side, anywhere."""
    share = source.uniform(0.85, 0.95)
    width, height = (round(share * n) for n in image.size)
    left, top = int(source.integers(0, image.width - width + 1)), int(source.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


COPIES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "JPEG, quality 20 to 60": jpeg,
    "mirrored, JPEG": mirrored,
    "crop, 85% to 95% of each side": cropped,
}


def stacked(images: list[Image.Image], side: int) -> torch.Tensor:
    """Images (n, 3, side, side) in [0, 1]."""
    arrays = [np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255


if __name__ == "__main__":
    run_script(main)
