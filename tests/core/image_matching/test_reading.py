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


def test_what_is_white_and_transparent_is_told_apart(tmp_path: Path):
    """White icons all look alike on white, but not on any other background."""
    paths = [tmp_path / f"{k}.png" for k in range(4)]
    for path, part in zip(paths, [(0, 0, 9, 9), (9, 9, 20, 20), (0, 0, 9, 9), (0, 0, 30, 30)], strict=True):
        image = Image.new("RGBA", (30, 30), (0, 0, 0, 0) if path == paths[2] else (255, 255, 255, 0))
        image.paste((255, 255, 255, 255), part)
        image.save(path)
    Image.new("RGB", (30, 30), "white").save(tmp_path / "opaque.bmp")
    hashes = [pixel_hash(path) for path in paths]
    assert hashes[0] == hashes[2] != hashes[1], "the colour of what is transparent is not seen"
    assert hashes[3] == pixel_hash(tmp_path / "opaque.bmp") not in hashes[:3]


def test_pixels_of_16_bits_are_told_apart(tmp_path: Path):
    few = np.zeros((6, 4), np.uint16)
    more = few.copy()
    more[2, 1] = 3  # as the numbers of objects in a mask
    grey = np.arange(24, dtype=np.uint8).reshape(6, 4)
    for name, pixels in (("a", few), ("b", more), ("c", grey.astype(np.uint16) * 257), ("d", grey)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    a, b, c, d = (pixel_hash(tmp_path / f"{name}.png") for name in "abcd")
    assert a != b
    assert c == d, "8 bits hold all of it"


def test_animations_with_the_same_first_frame_are_told_apart(tmp_path: Path):
    frames = [Image.fromarray(np.full((6, 4, 3), level, np.uint8)) for level in (255, 90, 0)]
    for name, rest in (("a", frames[1:]), ("b", frames[:0:-1]), ("c", frames[1:])):
        frames[0].save(tmp_path / f"{name}.gif", save_all=True, append_images=rest, comment=name.encode())
    a, b, c = (pixel_hash(tmp_path / f"{name}.gif") for name in "abc")
    assert a == c != b
    whole = (tmp_path / "a.gif").read_bytes()
    for length in range(len(whole) // 2, len(whole)):
        (tmp_path / "cut.gif").write_bytes(whole[:length])
        if isinstance(read_image(tmp_path / "cut.gif"), ReadImage):
            assert pixel_hash(tmp_path / "cut.gif"), "a later frame that is damaged is no error"


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
