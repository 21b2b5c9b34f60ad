"""Images from files: upright, opaque, hashed; and files that cannot be read."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcli.core.image_matching.reading import ReadImage, pixel_hash, read_image
from tests.core.image_matching.scenes import grey_copy, scene

TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


@pytest.mark.parametrize("turn", [1, *TURNS])
def test_an_image_is_read_upright(tmp_path: Path, turn: int):
    image, exif = scene(1), Image.Exif()
    exif[0x112] = turn
    path = tmp_path / "turned.png"
    (image.transpose(Image.Transpose[TURNS[turn]]) if turn > 1 else image).save(path, exif=exif)
    found = read_image(path)
    assert isinstance(found, ReadImage)
    assert (found.width, found.height) == image.size
    np.testing.assert_allclose(found.grey.astype(int), grey_copy(image), atol=1)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.bytes == path.stat().st_size
    image.save(tmp_path / "plain.bmp")
    assert pixel_hash(path) == pixel_hash(tmp_path / "plain.bmp")


def test_a_large_jpeg_is_read_at_a_fraction_of_its_size(tmp_path: Path):
    image = scene(2, (1600, 1200))
    image.save(tmp_path / "a.jpg", quality=95)
    found = read_image(tmp_path / "a.jpg")
    assert isinstance(found, ReadImage)
    assert (found.width, found.height) == (1600, 1200)
    assert np.abs(found.grey.astype(int) - grey_copy(image)).mean() < 2


def test_what_is_transparent_is_white(tmp_path: Path):
    image = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    image.save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert isinstance(found, ReadImage)
    assert (found.grey == 255).all()


def test_pixels_differ_by_size_and_by_a_single_level(tmp_path: Path):
    pixels = np.zeros((6, 4), np.uint8)
    images = [pixels, pixels.reshape(4, 6), pixels.copy()]
    images[2][3, 2] = 1
    for k, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    assert len({pixel_hash(tmp_path / f"{k}.png") for k in range(3)}) == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is empty"), (b"not an image", "not an image in a supported format"), (None, "there is no such file")],
)
def test_why_a_file_cannot_be_read(tmp_path: Path, content: bytes | None, why: str):
    path = tmp_path / "broken.jpg"
    if content is not None:
        path.write_bytes(content)
    assert read_image(path) == why


def test_a_truncated_file_cannot_be_read(tmp_path: Path):
    path = tmp_path / "broken.png"
    scene(3).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    found = read_image(path)
    assert isinstance(found, str)
    assert "cannot be decoded" in found
