"""Registration of an image and a part of it, computed from one formula."""

import numpy as np
import pytest

from dlcli.core.image_matching.alignments import Alignments
from dlcli.core.image_matching.registration import refine

SCALE, CUT, OFF = 1.14, 0.06, 0.006
"""How much larger the part shows what it shows, where on the image it starts, and how far off the alignment is at first."""


def striped(period: float, places: np.ndarray) -> np.ndarray:
    """Upright stripes, `period` of them in the width, before slow waves."""
    x, y = places[None], places[:, None]
    return 128 + 50 * np.sin(2 * np.pi * period * x) + 30 * np.sin(2 * np.pi * (2 * y + x / 2))


@pytest.mark.parametrize("stripes", [3, 6, 9, 10, 11, 12])
def test_no_alignment_gets_worse(stripes: int):
    """At 24 samples the slope of 10 stripes or more seems to be less than it is, so that each step goes too far."""
    middles = (np.arange(128) + 0.5) / 128
    grey = np.stack([striped(stripes, middles), striped(stripes, CUT + middles / SCALE)]).round().astype(np.uint8)
    scale, shift = np.float32([SCALE]), np.float32([-SCALE * CUT])
    near = Alignments(np.array([0]), np.array([1]), np.array([False]), scale, shift + np.float32(OFF), scale, shift)
    pairs, correlation = refine(grey, near, 24, 5)
    assert correlation[0] >= refine(grey, near, 24, 0).correlation[0] > 0.95
    at_the_middle = pairs.shift_x[0] - shift[0] + (pairs.scale_x[0] - SCALE) / 2
    assert abs(at_the_middle) < (OFF / 10 if stripes < 10 else 1.01 * OFF)
