"""t-SNE of a hidden layer: what is embedded, what is refused, what is drawn."""

import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from dlcli.core.html_report.embedding import _CLASS_COLOURS, FEWEST, EmbeddedImages, embed, embedding_plot
from dlcli.core.html_report.figures import png
from dlcli.support.errors import InputError


def blobs(n: int, classes: int = 3, units: int = 8) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    labels = np.arange(n) % classes
    return (10 * np.eye(classes, units)[labels] + draw.normal(size=(n, units))).astype(np.float32), labels


def test_what_lies_apart_stays_apart_and_twins_find_their_class():
    clean, labels = blobs(60)
    left, right = embed(clean, np.roll(clean, 1, axis=0))
    assert left.shape == right.shape == (60, 2)
    both, classes = np.concatenate([left, right]), np.concatenate([labels, np.roll(labels, 1)])
    away = np.linalg.norm(both[:, None] - both[None], axis=2) + 1e9 * np.eye(120)
    assert (classes[away.argmin(1)] == classes).all()


def test_the_same_seed_gives_the_same_points_and_units_of_measure_are_nothing():
    clean, _ = blobs(40)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is looked at
    first, second = embed(clean, clean[::-1]), embed(clean * 2.0**60, clean[::-1] * 2.0**60)
    assert np.array_equal(first, second)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("n", [FEWEST, 7])
def test_a_handful_of_images_is_enough(n: int):
    clean, _ = blobs(n)
    assert all(np.isfinite(points).all() for points in embed(clean, clean))


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (np.eye(2), "2 images are too few"),
        (np.eye(FEWEST - 1), "too few"),
        (np.arange(9.0)[:, None], "only one unit"),
        (np.full((9, 4), 0.1), "all images are the same"),
        (np.where(np.eye(9) > 0, np.nan, 0), "not finite"),
    ],
)
def test_what_cannot_be_embedded_says_why(features: np.ndarray, said: str):
    with pytest.raises(InputError, match=said):
        embed(features, features)


def drawn(labels: np.ndarray, right: np.ndarray, names: tuple[str, ...], title: str = "title"):
    points = np.stack([np.arange(len(labels)), labels], 1).astype(float)
    everywhere = EmbeddedImages(points, np.ones(len(labels), bool))
    return embedding_plot((everywhere, EmbeddedImages(-points, right)), labels, names, title=title)


def test_every_image_is_there_once_in_the_colour_of_its_class_with_the_mark_of_its_verdict():
    labels = np.arange(20) % 3
    right = np.arange(20) % 4 > 0
    figure = drawn(labels, right, ("cat", "dog", "owl"), title="pgd, $eps_1")
    clean, adversarial = figure.axes
    assert (clean.get_title(), adversarial.get_title()) == ("clean: 20 right, 0 wrong", "adversarial: 15 right, 5 wrong")
    assert figure.get_suptitle() == "pgd, $eps_1"
    seen = []
    for part in adversarial.collections:
        circle = len(part.get_paths()[0].vertices) > 20
        for x, y in part.get_offsets():
            assert to_hex(part.get_facecolor()[0]) == _CLASS_COLOURS[int(-y)]
            assert circle == right[int(-x)]
            seen.append(int(-x))
    assert sorted(seen) == list(range(20))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cat", "dog", "owl", "right", "wrong"]


def test_of_many_classes_the_largest_have_colours_and_the_others_share_one():
    labels = np.concatenate([np.arange(14), np.repeat(np.arange(3, 12), 2)])
    figure = drawn(labels, labels > 0, tuple("abcdefghijklm"))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [*"defghijkl", "other classes", "right", "wrong"]
    other = [part for part in figure.axes[0].collections if to_hex(part.get_facecolor()[0]) == _CLASS_COLOURS[-1]]
    assert sorted(y for part in other for _, y in part.get_offsets()) == [0, 1, 2, 12, 13]


def test_an_output_without_a_name_has_its_number():
    figure = drawn(np.array([0, 4, 4]), np.ones(3, bool), ("zero",))
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["zero", "4"]


def test_a_class_is_named_at_one_of_its_clean_images():
    labels = np.array([0] * 9 + [1] * 3)
    figure = drawn(labels, labels > 0, ("many", "few"))
    for axes in figure.axes:
        (text,) = axes.texts
        assert text.get_text() == "many" and text.get_position() == (4, 0)


@pytest.mark.parametrize("classes", [2, 10, 30])
def test_the_legend_hides_no_image_and_no_title_leaves_the_picture(classes: int):
    labels = np.arange(60) % classes
    figure = drawn(labels, labels > 0, ("golden retriever",) * classes, title="Last hidden layer of the baseline by t-SNE" * 2)
    picture = np.asarray(Image.open(io.BytesIO(png(figure))).convert("L"))
    assert picture.shape[1] > 1000 and picture.std() > 10
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert not any(figure.legends[0].get_window_extent().overlaps(box) for box in boxes)
    whole = figure.bbox
    for part in (figure.legends[0], *(axes.title for axes in figure.axes)):
        box = part.get_window_extent()
        assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0 and box.y1 <= whole.y1


# Machado, Oliveira and Fernandes 2009 (IEEE TVCG 15, 1291-1298), severity 1: what is left of linear RGB.
_VISION = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("vision", _VISION)
def test_colours_of_classes_are_told_apart_with_any_vision(vision: str):
    def lab(colour: str) -> np.ndarray:
        value = np.array(to_rgb(colour))
        linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        seen = np.clip(np.array(_VISION[vision]) @ linear, 0, 1)
        to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        share = to_xyz @ seen / [0.9505, 1, 1.089]
        f = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    # 2.3 is what an eye just tells apart (CIE 1976); small points want several times that.
    assert min(np.linalg.norm(lab(a) - lab(b)) for a, b in combinations(_CLASS_COLOURS, 2)) > 15
