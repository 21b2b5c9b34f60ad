"""Keypoints: what a mirrored image has, and that a flat one has none."""

import numpy as np

from dlcli.core.image_matching.keypoints import BITS, find_keypoints, mirrored
from tests.core.image_matching.scenes import grey_copy, scene


def test_the_keypoints_of_a_mirrored_image_are_mirrored():
    image = grey_copy(scene(3)).astype(np.float32)
    plain, turned = (find_keypoints(part, 320, 240, 1.0) for part in (image, np.ascontiguousarray(image[:, ::-1])))
    expected = {(plain.width - x, y): code for x, y, code in zip(plain.x, plain.y, mirrored(plain.codes), strict=True)}
    found = {(x, y): code for x, y, code in zip(turned.x, turned.y, turned.codes, strict=True)}
    assert len(found) > 20
    shared = expected.keys() & found.keys()
    assert len(shared) > 0.9 * len(found)  # rounding may change which of two neighbours is the extremum
    differing = [bin(expected[place] ^ found[place]).count("1") for place in shared]
    assert np.mean(differing) < 0.02 * BITS


def test_variants_are_the_code_and_those_with_few_bits_flipped():
    points = find_keypoints(grey_copy(scene(4)).astype(np.float32), 320, 240, 1.2)
    np.testing.assert_array_equal(points.unsure[:, 0], points.codes)
    apart = [[bin(code ^ variant).count("1") for variant in row] for code, row in zip(points.codes, points.unsure, strict=True)]
    assert all(sorted(row) == [0, 1, 1, 1, 2, 2, 2, 3] for row in apart)


def test_a_flat_image_has_no_keypoints():
    assert len(find_keypoints(np.full((128, 128), 77, np.float32), 200, 100, 1.0).codes) == 0
