"""Which file names look like frames of films or pictures of subjects."""

import numpy as np
import pytest
import torch

from dlcli.core.data.base import FILE, Split
from dlcli.core.data.frame_names import dependence_notes, series_of


def names(*series: tuple[str, int]) -> list[str]:
    return [f"{prefix}{k:04}.png" for prefix, n in series for k in range(n)]


FILMS = {
    "films": (names(("drive1_", 9), ("drive2_f", 7), ("night_", 8)), 0),
    "tracks": (names(("00012_", 30), ("00013_", 30)), 0),
    "subjects in folders": (names(("ill/p1_", 5), ("ill/p2_", 5), ("well/p3_", 5)), 1),
    "one film": (names(("frame_", 40)), 0),
}
OTHERS = {
    "a camera": (names(("IMG_", 40)), 0),
    "numbers alone": (names(("", 40)), 0),
    "a folder of each class": (names(("cat/", 20), ("dog/", 20)), 1),
    "named by class": (names(("cat/cat.", 20), ("dog/dog.", 20)), 1),
    "words": ([f"{a}{b}.jpg" for a in "abcdefg" for b in "uvwxyz"], 0),
    "dates": ([f"IMG_2019030{day}_12345{k}.jpg" for day in range(1, 9) for k in range(8)], 0),
    "each with a number of its own": ([f"bird_{k}_796{k}.jpg" for k in range(40)], 0),
    "a few in many": (names(("a_", 3), ("b_", 3)) + [f"{letter}x.png" for letter in "abcdefghijklmnop"], 0),
}


def split_with(files: list[str]) -> Split:
    n = len(files)
    return Split(torch.zeros(n, 1, 2, 2), torch.zeros(n, dtype=torch.int64), {FILE: np.array(files, dtype=object)})


def labels(files: list[str], by_folder: int) -> np.ndarray:
    return np.unique([name.split("/")[0] if by_folder else "" for name in files], return_inverse=True)[1]


@pytest.mark.parametrize(("files", "by_folder"), FILMS.values(), ids=FILMS)
def test_films_are_found(files, by_folder):
    found = series_of(files, labels(files, by_folder))
    assert found is not None and sum(name.startswith(found.prefix) for name in files) == found.n


@pytest.mark.parametrize(("files", "by_folder"), OTHERS.values(), ids=OTHERS)
def test_other_names_are_not(files, by_folder):
    assert series_of(files, labels(files, by_folder)) is None


def test_scores_and_masks_count_as_one_class():
    files = names(("drive1_", 9), ("drive2_", 9))
    assert series_of(files, np.linspace(0, 1, 18)) == series_of(files, np.zeros((18, 4, 4), np.int64)) == ("drive2_", 9)


def test_groups_leave_no_reason_for_the_note():
    split = split_with(names(("drive1_", 6), ("drive2_", 6)))
    (note,) = dependence_notes(split, None, None, "image")
    assert "6 are called drive2_*" in note and "`group`" in note
    (by_group,) = dependence_notes(split, np.arange(12) // 6, "film", "image")
    assert by_group == "Intervals are by 'film', of which there are 2 groups: images of one are not independent."
    assert dependence_notes(split_with(names(("img", 12))), None, None, "image") == ()
