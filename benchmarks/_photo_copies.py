"""Images for benchmarks/dedupe_images.py: generated scenes, and copies of images made in one of many ways."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

Draw = np.random.Generator
_BACKGROUNDS = ("black", "white")


def scene(draw: Draw, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A scene: shapes of random colours before clouds, whose amplitudes fall with the frequency as in photographs."""
    width, height = size
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    falling = np.hypot(fy, fx).clip(1 / max(size)) ** -draw.uniform(1.2, 1.8)
    clouds = np.fft.irfft2(falling * np.exp(2j * np.pi * draw.random(falling.shape)), s=(height, width))
    grey = 128 + draw.uniform(25, 60) * clouds / clouds.std()
    tint = draw.uniform(0.6, 1.4, 3)
    image = Image.fromarray((grey[..., None] * tint).clip(0, 255).astype(np.uint8))
    brush = ImageDraw.Draw(image)
    for _ in range(draw.integers(3, 12)):
        x, y = draw.uniform(-0.1, 1, 2) * size
        w, h = draw.uniform(0.03, 0.4, 2) * size
        shape = (brush.ellipse, brush.rectangle)[draw.integers(2)]
        shape((x, y, x + w, y + h), fill=tuple(draw.integers(0, 256, 3).tolist()))
    return image


def _crop(image: Image.Image, draw: Draw) -> Image.Image:
    area = draw.uniform(0.7, 0.95)
    across = area**0.5 if draw.random() < 0.5 else draw.uniform(area, 1)
    width, height = round(image.width * across), round(image.height * area / across)
    x, y = draw.integers(0, image.width - width + 1), draw.integers(0, image.height - height + 1)
    return image.crop((int(x), int(y), int(x) + width, int(y) + height))


def _scale(image: Image.Image, draw: Draw) -> Image.Image:
    factor = 2 ** draw.uniform(-2, 1)
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def _light(image: Image.Image, draw: Draw) -> Image.Image:
    brighter = ImageEnhance.Brightness(image).enhance(draw.uniform(0.8, 1.2))
    return ImageEnhance.Contrast(brighter).enhance(draw.uniform(0.8, 1.2))


def _border(image: Image.Image, draw: Draw) -> Image.Image:
    return ImageOps.expand(image, round(min(image.size) * draw.uniform(0.02, 0.06)), _BACKGROUNDS[draw.integers(2)])


def _same(image: Image.Image, draw: Draw) -> Image.Image:
    return image


def _mirror(image: Image.Image, draw: Draw) -> Image.Image:
    return ImageOps.mirror(image)


def _grey(image: Image.Image, draw: Draw) -> Image.Image:
    return image.convert("L")


_Change = Callable[[Image.Image, Draw], Image.Image]
CHANGES: dict[str, tuple[str, tuple[_Change, ...]]] = {
    "jpeg 30-95": ("jpg", (_same,)),
    "png": ("png", (_same,)),
    "webp": ("webp", (_same,)),
    "bmp": ("bmp", (_same,)),
    "scaled 0.25-2": ("jpg", (_scale,)),
    "cropped to 70-95%": ("jpg", (_crop,)),
    "flipped": ("jpg", (_mirror,)),
    "greyscale": ("jpg", (_grey,)),
    "brightness, contrast 0.8-1.2": ("jpg", (_light,)),
    "border 2-6%": ("jpg", (_border,)),
    "cropped, scaled": ("jpg", (_crop, _scale)),
    "flipped, cropped": ("jpg", (_mirror, _crop)),
    "rotated by EXIF": ("exif", (_same,)),
}
"""Ways to copy an image: the format that it is saved in, and the changes before that."""


def save_copy(image: Image.Image, way: str, draw: Draw, stem: Path) -> Path:
    """Save a copy of an image beside `stem`, made in a way of `CHANGES`."""
    form, changes = CHANGES[way]
    for change in changes:
        image = change(image, draw)
    path = stem.with_suffix(f".{'jpg' if form == 'exif' else form}")
    quality = {"quality": int(draw.integers(30, 96))} if path.suffix == ".jpg" else {}
    if form == "exif":
        exif = Image.Exif()
        exif[0x112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, **quality)
    else:
        image.save(path, **quality)
    return path
