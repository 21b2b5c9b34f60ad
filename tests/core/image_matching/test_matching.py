"""Candidates and their confirmation, on crops and mirror images whose place is known."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from dlcli.core.image_matching.alignments import Alignments, join_alignments
from dlcli.core.image_matching.confirmation import ConfirmedPairs, confirm
from dlcli.core.image_matching.differences import describe_differences
from dlcli.core.image_matching.shared_keypoints import shared_keypoint_pairs
from dlcli.core.image_matching.whole_images import whole_image_pairs
from dlcli.support.reporter import SILENT
from tests.core.image_matching.scenes import grey_copy, scene


def matched(images: list[Image.Image]) -> tuple[ConfirmedPairs, np.ndarray]:
    grey, sizes = np.stack([grey_copy(image) for image in images]), np.array([image.size for image in images])
    with SILENT.task("") as task:
        candidates = join_alignments([whole_image_pairs(grey), shared_keypoint_pairs(grey, sizes, task)])
        return confirm(grey, sizes, candidates, task), sizes


def numbers(found: ConfirmedPairs) -> list[tuple[int, int]]:
    return list(zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True))


BOX = (40, 10, 300, 220)  # of 320 x 240


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_crop_is_found_where_it_was_cut(seed: int, flipped: bool, swapped: bool):
    whole = scene(seed)
    crop = ImageOps.mirror(whole.crop(BOX)) if flipped else whole.crop(BOX)
    images = [crop, whole] if swapped else [whole, crop]
    found, sizes = matched([*images, scene(seed + 100)])
    assert numbers(found) == [(0, 1)]
    assert found.score[0] > 0.98
    assert bool(found.pairs.mirror[0]) == flipped
    area = (BOX[2] - BOX[0]) * (BOX[3] - BOX[1]) / (320 * 240)
    shown = found.pairs.second_shown if swapped else found.pairs.first_shown
    assert shown[0] == pytest.approx(area, abs=0.01)
    (text,) = describe_differences(found.pairs, sizes, from_first=not swapped)
    assert text == ("flipped, " if flipped else "") + f"cropped to {area:.0%}"
    (text,) = describe_differences(found.pairs, sizes, from_first=swapped)
    assert text == ("flipped, " if flipped else "") + f"extended to {1 / area:.0%}"


def test_the_place_of_a_crop_on_the_whole_is_exact():
    found, _ = matched([scene(7), scene(7).crop(BOX)])
    expected = {
        "scale_x": 320 / 260,
        "shift_x": -40 / 260,
        "scale_y": 240 / 210,
        "shift_y": -10 / 210,
    }
    assert {name: getattr(found.pairs, name)[0] for name in expected} == pytest.approx(expected, abs=0.004)


def test_scaling_is_described():
    whole = scene(8)
    found, sizes = matched([whole, whole.resize((160, 120)), whole.resize((320, 200))])
    assert numbers(found) == [(0, 1), (0, 2), (1, 2)]
    assert describe_differences(found.pairs, sizes, from_first=True)[:2] == ["scaled 0.50", "stretched 1.00 x 0.83"]


def test_different_scenes_are_not_near_duplicates():
    found, _ = matched([scene(seed) for seed in range(40)])
    assert numbers(found) == []


def test_something_new_in_a_corner_is_not_a_copy():
    whole, other = scene(9), scene(9)
    ImageDraw.Draw(other).ellipse((250, 180, 300, 230), fill="red", outline="white", width=6)
    found, _ = matched([whole, other])
    assert numbers(found) == []


def test_flat_images_and_gradients_are_never_near_duplicates():
    flat = [Image.new("RGB", (200, 150), (level, level, level)) for level in (0, 90, 91, 255)]
    slope = np.linspace(0, 255, 200)[None].repeat(150, 0)
    gradients = [Image.fromarray((low + slope * part).astype(np.uint8)) for low, part in ((0, 1.0), (20, 0.7), (50, 0.8))]
    found, _ = matched(flat + gradients)
    assert numbers(found) == []


def test_pages_with_one_layout_and_different_words_are_not_copies():
    found, _ = matched([_page(seed) for seed in range(4)])
    assert numbers(found) == []


def _page(seed: int) -> Image.Image:
    draw = np.random.default_rng(seed)
    page = Image.new("L", (600, 800), 255)
    brush = ImageDraw.Draw(page)
    brush.rectangle((40, 40, 560, 90), fill=0)
    for line in range(28):
        x = 40
        while x < 520:
            width = int(draw.integers(15, 70))
            brush.rectangle((x, 120 + 23 * line, x + width, 131 + 23 * line), fill=60)
            x += width + 9
    return page


def test_no_images_and_one_image_have_no_pairs():
    grey = np.empty((0, 128, 128), np.uint8)
    with SILENT.task("") as task:
        assert len(shared_keypoint_pairs(grey, np.empty((0, 2), int), task)) == len(whole_image_pairs(grey)) == 0
    assert numbers(matched([scene(1)])[0]) == []


def test_candidates_do_not_depend_on_the_order_of_the_images():
    images = [scene(1), scene(2), scene(1).crop(BOX), ImageOps.mirror(scene(2)), scene(3)]
    forward, backward = (matched(part)[0] for part in (images, images[::-1]))
    turned = sorted((4 - b, 4 - a) for a, b in numbers(backward))
    assert numbers(forward) == turned == [(0, 2), (1, 3)]
    assert isinstance(forward.pairs, Alignments)
