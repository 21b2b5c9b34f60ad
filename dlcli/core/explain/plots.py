"""Pictures of maps: the image in grey under the colours of a map."""

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dlcli.core.html_report.figures import COLOURS, draw_image, verdict

_RAISES, _LOWERS = (0.84, 0.37, 0.0), (0.0, 0.45, 0.70)
"""Vermillion and blue of `COLOURS`, which people with any colour vision tell apart."""
_HEAT = "inferno"
_MOST = 0.9
"""Opacity of the highest value: the image shows through."""
_SEEN = 0.99
"""Share of the pixels below the full colour."""
_DARKEST, _LIGHTEST = 0.15, 0.75
"""Greys of the image, without black and white, so that both colours are seen on it."""


@dataclass(frozen=True)
class ExplainedImage:
    """An image (c, h, w) in [0, 1], its maps (h, w), and what was predicted.

    `true` is the name of its class, None if that is not known.
    """

    name: str
    image: NDArray[np.floating]
    signed: NDArray[np.floating]
    strength: NDArray[np.floating]
    predicted: str
    true: str | None

    @property
    def title(self) -> str:
        """`true → predicted`, or the prediction alone."""
        return self.predicted if self.true is None else verdict(self.true, self.predicted).replace("\n", " ")


def strength_overlay(one: ExplainedImage) -> NDArray[np.floating]:
    """The image in grey, brighter in colour where a pixel matters more, (3, h, w) in [0, 1]."""
    share = np.clip(one.strength / _full(one.strength), 0, 1)
    return _over(one.image, colormaps[_HEAT](share)[..., :3], share)


def signed_overlay(one: ExplainedImage) -> NDArray[np.floating]:
    """The image in grey, in one colour where a pixel raises the target and in another where it lowers it, (3, h, w)."""
    share = np.clip(one.signed / _full(np.abs(one.signed)), -1, 1)
    return _over(one.image, np.where(share[..., None] > 0, _RAISES, _LOWERS), np.abs(share))


def _full(sizes: NDArray[np.floating]) -> float:
    """The value that gets the full colour: few pixels of integrated gradients are so large that no others would be seen."""
    return float(np.quantile(sizes, _SEEN)) or float(sizes.max()) or 1.0


def _over(image: NDArray[np.floating], colours: NDArray[np.floating], share: NDArray[np.floating]) -> NDArray[np.floating]:
    grey = _DARKEST + (_LIGHTEST - _DARKEST) * np.clip(image.mean(0), 0, 1)[..., None]
    opacity = _MOST * share[..., None]
    found: NDArray[np.floating] = ((1 - opacity) * grey + opacity * colours).transpose(2, 0, 1)
    return found


def map_plot(one: ExplainedImage, *, target: str) -> Figure:
    """The image, how much each pixel matters, and whether it raises or lowers the target."""
    figure = Figure(figsize=(7.8, 3.1), layout="constrained")
    panels = zip(
        figure.subplots(1, 3),
        (one.image, strength_overlay(one), signed_overlay(one)),
        (one.title, f"importance, up to {one.strength.max():.3g}", "for and against"),
        strict=True,
    )
    for axes, image, title in panels:
        draw_image(axes, image, title)
    figure.supxlabel(f"orange raises the {target}, blue lowers it", fontsize=8, color=COLOURS[0])
    return figure
