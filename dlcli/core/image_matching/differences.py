"""Describe what was done to a copy of an image: scaled, flipped, cropped, extended, made grey or brighter."""

import numpy as np
from numpy.typing import NDArray

from dlcli.core.image_matching.alignments import Alignments

_SAME = 0.02
"""Differences in size and area below this are not named."""
_STRETCHED = 1.03
_TONE = 8.0
"""Differences of the mean luma below this are not named."""
RE_ENCODED = "re-encoded"


def describe_differences(pairs: Alignments, sizes: NDArray[np.integer], *, from_first: bool) -> list[str]:
    """Describe how one image of each pair differs from the other.

    Args:
        pairs: The pairs.
        sizes: Widths and heights of the images, (n, 2).
        from_first: Whether the second image is described as a copy of the first one, or the first as a copy of the second.

    Returns:
        Phrases, such as "flipped, cropped to 81%".
    """
    ratios = sizes[pairs.second] / sizes[pairs.first]
    magnified: list[NDArray[np.floating]] = [pairs.scale_x * ratios[:, 0], pairs.scale_y * ratios[:, 1]]
    kept, of_copy = pairs.first_shown, pairs.second_shown
    if not from_first:
        magnified = [1 / scale for scale in magnified]
        kept, of_copy = of_copy, kept
    return [
        _describe(*figures)
        for figures in zip(*(part.tolist() for part in (*magnified, pairs.mirror, kept, of_copy)), strict=True)
    ]


def _describe(across: float, along: float, mirror: bool, kept: float, of_copy: float) -> str:
    found = ["flipped"] if mirror else []
    scale = (across * along) ** 0.5
    if max(across, along) > _STRETCHED * min(across, along):
        found.append(f"stretched {across:.2f} x {along:.2f}")
    elif abs(scale - 1) >= _SAME:
        found.append(f"scaled {scale:.2f}")
    if kept < 1 - _SAME:
        found.append(f"cropped to {kept:.0%}")
    if of_copy < 1 - _SAME:
        found.append(f"extended to {1 / of_copy:.0%}")
    return ", ".join(found) or RE_ENCODED


def describe_tones(phrase: str, copy: NDArray[np.uint8], original: NDArray[np.uint8], *, greys: tuple[bool, bool]) -> str:
    """Add to a phrase of `describe_differences` how colours and brightness differ.

    Args:
        phrase: The phrase.
        copy: The copy, grey.
        original: The original, grey; of parts that differ, as after cropping, the brightness is not compared.
        greys: Whether the copy and the original have no colours.

    Returns:
        The phrase with what was found.
    """
    found = [] if phrase == RE_ENCODED else [phrase]
    if greys[0] != greys[1]:
        found.append("grey" if greys[0] else "coloured")
    brighter = float(copy.mean()) - float(original.mean())
    if abs(brighter) >= _TONE and "cropped" not in phrase and "extended" not in phrase:
        found.append("brighter" if brighter > 0 else "darker")
    return ", ".join(found) or RE_ENCODED
