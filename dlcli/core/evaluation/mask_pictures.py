"""Masks as pictures: PNG files with a palette, overlays on the image, and a legend of the colours."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from dlcli.core.html_report.figures import drawable, short_label
from dlcli.specs.masks import OUTSIDE, VOID

_OPACITY = 0.55
_COLUMNS = 6
_OF_VOID = (224, 224, 192)


def palette() -> NDArray[np.uint8]:
    """The colour of each label, (256, 3): those of PASCAL VOC, whose neighbours differ as far as they can."""
    found = np.zeros((VOID + 1, 3), dtype=np.uint8)
    for label in range(VOID + 1):
        rest = label
        for bit in range(7, -1, -1):
            found[label] |= np.array([(rest >> channel & 1) << bit for channel in range(3)], dtype=np.uint8)
            rest >>= 3
    found[VOID] = _OF_VOID
    return found


def mask_png(mask: NDArray[np.uint8]) -> bytes:
    """A mask (h, w) of labels as a PNG file with a palette."""
    from PIL import Image

    image = Image.fromarray(mask)
    image.putpalette(palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def overlay(image: NDArray[np.floating], mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """An image (c, h, w) in [0, 1] with the colours of its mask (h, w) on it, (3, h, w); pixels without a label as they are."""
    grey = drawable(image)
    base = np.atleast_3d(grey).transpose(2, 0, 1).astype(np.float64)
    base = np.broadcast_to(base, (3, *base.shape[1:])).copy()
    there = mask < OUTSIDE
    colours = palette()[mask].transpose(2, 0, 1) / 255
    base[:, there] = (1 - _OPACITY) * base[:, there] + _OPACITY * colours[:, there]
    return base


def overlay_png(image: NDArray[np.floating], mask: NDArray[np.uint8]) -> bytes:
    """`overlay` as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    pixels = np.rint(255 * np.clip(overlay(image, mask), 0, 1)).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, format="PNG")
    return buffer.getvalue()


def legend_figure(classes: Sequence[str]) -> Figure:
    """The colour of each class."""
    rows = -(-len(classes) // _COLUMNS)
    figure = Figure(figsize=(6.6, 0.25 + 0.28 * rows))
    colours = palette()[: len(classes)] / 255
    patches = [Patch(color=colour, label=short_label(name)) for colour, name in zip(colours, classes, strict=True)]
    figure.legend(handles=patches, loc="center", ncols=min(_COLUMNS, len(classes)), fontsize=9, frameon=False)
    return figure
