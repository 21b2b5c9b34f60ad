"""Images of a data set as the PNG files on the cards of a gallery."""

import io

import numpy as np
from PIL import Image

from dlcli.core.html_report.figures import drawable
from dlcli.core.html_report.parts import CardImage

_SIDE = 208
"""Larger images are made smaller: twice the width of a card, for screens with small pixels."""
_FEW_PIXELS = 64
_RISE, _FALL = (178, 24, 43), (33, 102, 172)


def card_image(image: np.ndarray, *, alt: str, line: str) -> CardImage:
    """An image (c, h, w) in [0, 1]: three channels in colour, any other number as their mean in grey.

    Args:
        image: The pixels.
        alt: What is read aloud in its place.
        line: The line under it.
    """
    return _card(Image.fromarray(np.rint(255 * np.clip(drawable(image), 0, 1)).astype(np.uint8)), alt, line)


def difference_image(change: np.ndarray, eps: float, *, alt: str, line: str) -> CardImage:
    """A signed change (c, h, w), averaged over channels: red above 0 and blue below, the less opaque the smaller it is.

    Args:
        change: The change of each value.
        eps: The change that is opaque.
        alt: What is read aloud in its place.
        line: The line under it.
    """
    mean = change.mean(0)
    pixels = np.zeros((*mean.shape, 4), np.uint8)
    pixels[..., :3] = np.where(mean[..., None] > 0, _RISE, _FALL)
    pixels[..., 3] = np.rint(255 * np.clip(np.abs(mean) / eps if eps > 0 else 0 * mean, 0, 1)).astype(np.uint8)
    return _card(Image.fromarray(pixels), alt, line)


def _card(image: Image.Image, alt: str, line: str) -> CardImage:
    small = max(image.size) < _FEW_PIXELS
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return CardImage(buffer.getvalue(), alt, line, small)
