"""Folders as people have them: transparent pictures, few bits in many, links, names from a Mac, folders that systems add."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from dlcli.core.data import open_data
from dlcli.core.data.file_kinds import all_files
from dlcli.core.data.image_file import in_mode, opaque
from dlcli.core.model_io.class_map import map_classes
from dlcli.core.model_io.trained import TrainedNetwork
from dlcli.support.errors import InputError
from tests.core.data.pictures import contents, contents_of, fill, noise, picture


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=20), st.sampled_from(["RGBA", "LA"]))
def test_transparent_pixels_are_mixed_with_white(pixels: list[tuple[int, int]], mode: str):
    value, alpha = (np.array(part, np.uint8)[None] for part in zip(*pixels, strict=True))
    layers = [value] * (len(mode) - 1) + [alpha]
    found = np.asarray(in_mode(opaque(Image.fromarray(np.dstack(layers), mode)), "L"), float)
    expected = value / 255.0 * alpha + 255.0 - alpha
    assert np.abs(found - expected).max() <= 1
    if (alpha == 255).all():
        assert np.array_equal(found, value)


def test_black_ink_on_nothing_is_black_on_white(tmp_path: Path, listener):
    for name, rows in (("down", slice(4, 8)), ("up", slice(0, 4))):
        for k in range(5):
            pixels = np.zeros((8, 8, 4), np.uint8)
            pixels[rows, :, 3] = 255
            picture(tmp_path / name / f"{k}.png", pixels)
    for _ in range(2):  # the second time from the cache
        listener.notes.clear()
        data = open_data(str(tmp_path), report=listener)
        assert [note for note in listener.notes if "white" in note] == [
            f"{tmp_path}: 10 images with transparent parts: these are read as white"
        ]
    up = data.x_train[data.y_train == data.classes.index("up")]
    assert not up[:, :, :4].any() and (up[:, :, 4:] == 1).all()


def test_opaque_pictures_with_an_alpha_channel_are_read_as_they_are(tmp_path: Path, listener):
    for k in range(10):
        rgb = noise(k)
        picture(tmp_path / "ab"[k % 2] / f"{k}.png", np.dstack([rgb, np.full((6, 6, 1), 255, np.uint8)]))
    data = open_data(str(tmp_path), report=listener)
    assert {image.mul(255).round().byte().numpy().tobytes() for image in torch.cat([data.x_train, data.x_test])} == {
        noise(k).transpose(2, 0, 1).tobytes() for k in range(10)
    }
    assert not [note for note in listener.notes if "white" in note]


@pytest.mark.parametrize(("highest", "warned"), [(4095, 12), (1023, 10), (900, 10), (4096, None), (65535, None), (0, None)])
def test_few_bits_stored_in_sixteen_are_warned_of(tmp_path: Path, listener, highest: int, warned: int | None):
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    for k in range(10):
        picture(tmp_path / "ab"[k % 2] / f"{k}.png", (ramp * highest * (1 if k == 3 else 0.5)).round().astype(np.uint16))
    for _ in range(2):  # the second time from the cache
        listener.warnings.clear()
        open_data(str(tmp_path), report=listener)
        found = [line for line in listener.warnings if "16 bits" in line]
        assert len(found) == (warned is not None)
    if warned:
        assert f"above {highest:,} of 65,535" in found[0] and f"data of {warned} bits" in found[0]
        assert f"multiply them by {65535 / (2**warned - 1):.4g} first" in found[0]


@pytest.mark.parametrize(
    ("dark", "bright", "warned"), [(4, 65535, True), (4, 16384, True), (2, 65535, False), (4, 16383, False), (4, 4096, False)]
)
def test_some_pictures_of_few_bits_among_others_are_warned_of(tmp_path: Path, listener, dark: int, bright: int, warned: bool):
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    for k in range(10):
        highest = 0 if k == 9 else 3000 + k if k < dark else bright
        picture(tmp_path / "ab"[k % 2] / f"{k}.png", (ramp * highest).round().astype(np.uint16))
    open_data(str(tmp_path), report=listener)
    found = [line for line in listener.warnings if "16 bits" in line]
    assert len(found) == warned
    if warned:
        assert "4 of 10 images of 16 bits, such as 3.png, have no value above 3,003 of 65,535" in found[0]
        assert "data of 12 bits, multiply them by 16" in found[0]


JUNK = ["@eaDir", "__MACOSX", "#recycle", "@Recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information", "__pycache__"]


@pytest.mark.parametrize("inside", ["", "ant"])
def test_folders_that_systems_add_are_not_looked_into(tmp_path: Path, listener, inside: str):
    written = fill(tmp_path)
    for name in JUNK:
        picture(tmp_path / inside / name / "00.png" / "thumb.jpg", noise(9))
    data = open_data(str(tmp_path), report=listener)
    assert data.classes == ("ant", "bee") and not listener.warnings
    both = contents(data.splits["train"], data.classes) | contents(data.splits["test"], data.classes)
    assert both == contents_of(written, tmp_path)


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path):
    written = fill(tmp_path / "store")
    for name in ("ant", "bee"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "batch").symlink_to(tmp_path / "store" / name, target_is_directory=True)
        (tmp_path / "store" / name / "again").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "store" / "ant" / "gone").symlink_to("nowhere")
    data = open_data(str(tmp_path / "data"))
    assert len(data.y_train) + len(data.y_test) >= len(written)
    assert {path.name for path in all_files(tmp_path / "data", follow=False)} == set()


def test_names_are_the_same_in_every_form_of_unicode(tmp_path: Path):
    names = ("café", "thé", "ąę")
    forms = {"train": "NFC", "test": "NFD"}
    for part, form in forms.items():
        fill(tmp_path / part, tuple(unicodedata.normalize(form, name) for name in names), n=2)
    data = open_data(str(tmp_path))
    assert sorted(data.classes) == sorted(names) and torch.bincount(data.y_test).tolist() == [2, 2, 2]
    decomposed = tuple(unicodedata.normalize("NFD", name) for name in data.classes)
    network = TrainedNetwork(torch.nn.Identity(), "net", "", classes=decomposed[::-1])
    assert map_classes(network, data).output_of.tolist() == [2, 1, 0]


def test_a_table_may_name_files_in_another_form_of_unicode(tmp_path: Path, listener):
    for name in ("é1", "è2"):
        picture(tmp_path / f"{unicodedata.normalize('NFD', name)}.png", noise(len(name)))
    (tmp_path / "labels.csv").write_text("file,name\né1.png,a\nè2.png,b\n", encoding="utf-8")
    data = open_data(str(tmp_path), report=listener)
    assert len(data.y_test) == 2 and not listener.warnings
    (tmp_path / "labels.csv").write_text("file,name\né1.png,a\nù3.png,b\n", encoding="utf-8")
    open_data(str(tmp_path), report=listener)
    assert any("ù3.png" in line for line in listener.warnings)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_avif_is_read(tmp_path: Path):
    for k in range(10):
        picture(tmp_path / "ab"[k % 2] / f"{k}.avif", np.full((16, 16, 3), 25 * k, np.uint8), quality=100)
    found = open_data(str(tmp_path))
    means = sorted(float(image.mean()) for image in torch.cat([found.x_train, found.x_test]))
    assert np.allclose(means, np.arange(10) * 25 / 255, atol=0.01)


def test_a_file_that_is_no_longer_there_is_an_error(tmp_path: Path):
    fill(tmp_path, n=2)
    for path in (tmp_path / "ant").iterdir():
        os.unlink(path)
        path.symlink_to("nowhere")
    with pytest.raises(InputError):
        open_data(str(tmp_path))
