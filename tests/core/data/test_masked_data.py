"""Folders and arrays with masks: what is read, and one line for each thing that is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.core.data import open_data
from dlcli.core.data.base import MASK, ImageData
from dlcli.core.data.mask_labels import MaskReading
from dlcli.core.data.sequences_of_files import BLOCK, blocks_of
from dlcli.support.errors import InputError
from tests.masked import CLASSES, SIZE, masked_folder, save, scene


def load(folder: Path | str, **options: object) -> ImageData:
    return open_data(str(folder), **{"target": MASK, **options})  # type: ignore[arg-type]


def test_a_folder_is_read_as_it_was_written(tmp_path: Path):
    data = load(masked_folder(tmp_path, 3, sets=("train", "test")))
    assert (data.classes, data.target, data.size) == (CLASSES, MASK, SIZE)
    image, mask = scene(0)
    which = list(data.metadata["train"]["file"]).index("train/images/scene-0-a.png")
    assert torch.equal(data.y_train[which], torch.from_numpy(mask))
    assert torch.equal((data.x_train[which] * 255).round().byte(), torch.from_numpy(image).permute(2, 0, 1))


def test_a_flat_folder_holds_out_a_fifth_and_arrays_are_the_same(tmp_path: Path):
    data = load(masked_folder(tmp_path / "f", 10))
    assert (len(data.y_train), len(data.y_test)) == (8, 2)
    images, masks = zip(*(scene(k) for k in range(10)), strict=True)
    np.savez(tmp_path / "a.npz", x=np.stack(images), y=np.stack(masks))
    arrays = load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.stack(images).transpose(0, 3, 1, 2), y=np.stack(masks).astype(np.int64))
    first = load(tmp_path / "b.npz")
    assert arrays.classes == ("0", "1", "2")
    assert torch.equal(arrays.x_train, first.x_train) and torch.equal(arrays.y_train, first.y_train)
    assert torch.equal(arrays.y_train.sum((1, 2)).sort().values, first.y_train.sum((1, 2)).sort().values)


def test_palettes_are_numbers_and_other_sizes_lie_in_the_corner(tmp_path: Path):
    folder = masked_folder(tmp_path, 4, sets=("train", "test"), sizes=((24, 32), (20, 40)))
    for path in folder.glob("*/masks/*.png"):
        with Image.open(path) as image:
            image.putpalette([value for k in range(256) for value in (255 - k, k, 7)])
            image.save(path)
        with Image.open(path) as again:
            assert again.mode == "P"
    data = load(folder)
    assert data.size == (24, 40)
    assert sorted(set(data.y_train.unique().tolist())) == [0, 1, 2, 254]
    small = data.y_train[data.y_train[:, -1, 0] == 254][0]
    assert (small[:20] != 254).all() and (small[20:] == 254).all()


def test_masks_are_resized_to_the_nearest_pixel(tmp_path: Path):
    data = load(masked_folder(tmp_path, 3, sets=("train", "test")), size=12)
    assert data.size == (12, 16)
    assert set(data.y_train.unique().tolist()) <= {0, 1, 2}
    _, mask = scene(0)
    which = list(data.metadata["train"]["file"]).index("train/images/scene-0-a.png")
    assert torch.equal(data.y_train[which], torch.from_numpy(np.array(Image.fromarray(mask).resize((16, 12), 0))))


def test_ignored_numbers_and_binary_masks(tmp_path: Path, listener: Any):
    folder = masked_folder(tmp_path / "i", 3, sets=("train", "test"))
    data = load(folder, masks=MaskReading(ignore=2), report=listener)
    assert set(data.y_train.unique().tolist()) == {0, 1, 255}
    assert any("no training pixel is of class 'bar'" in line for line in listener.notes + listener.warnings)
    for k in range(4):
        image, mask = scene(k)
        save(tmp_path / "b", f"x{k * k}", image, np.where(mask > 0, 255, 0).astype(np.uint8))
    found = load(tmp_path / "b", report=listener)
    assert found.classes == ("background", "foreground") and set(found.y_train.unique().tolist()) == {0, 1}
    assert any(
        "hold 0 and 255 only, which are taken as the classes 0 and 1" in line for line in listener.notes + listener.warnings
    )


def _rgb(folder: Path) -> None:
    with Image.open(first(folder)) as image:
        image.convert("RGB").save(first(folder))


def _deep(folder: Path) -> None:
    Image.fromarray(np.full(SIZE, 3, dtype=np.uint16)).save(first(folder))


def _cut(folder: Path) -> None:
    path = first(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _large(folder: Path) -> None:
    mask = scene(0)[1].copy()
    mask[:2, :5] = 7
    Image.fromarray(mask).save(first(folder))


def _other_size(folder: Path) -> None:
    Image.fromarray(scene(0)[1][:-1]).save(first(folder))


def _reserved(folder: Path) -> None:
    mask = scene(0)[1].copy()
    mask[0, :3] = 254
    Image.fromarray(mask).save(first(folder))


def _jpeg(folder: Path) -> None:
    path = first(folder)
    with Image.open(path) as image:
        image.save(path.with_suffix(".jpg"))
    path.unlink()


def first(folder: Path) -> Path:
    return folder / "train" / "masks" / "scene-0-a.png"


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "colours": (_rgb, r"masks/scene-0-a.png: is RGB"),
    "16 bits": (_deep, r"masks/scene-0-a.png: has 16 bits"),
    "truncated": (_cut, r"masks/scene-0-a.png: cannot be decoded"),
    "value": (_large, r"scene-0-a.png: 10 pixels have the label 7, and there are 3 classes, 0 to 2"),
    "reserved value": (_reserved, r"masks/scene-0-a.png: 3 pixels have the value 254"),
    "size": (_other_size, r"masks/scene-0-a.png: has 32x23 pixels, and its picture scene-0-a.png has 32x24"),
    "JPEG": (_jpeg, r"masks/scene-0-a.jpg: is a JPEG, whose compression changes label numbers"),
    "no mask": (lambda folder: first(folder).unlink(), r"images/scene-0-a.png: has no mask masks/scene-0-a.png"),
    "case": (
        lambda folder: first(folder).rename(first(folder).with_name("SCENE-0-a.png")),
        r"images/scene-0-a.png: its mask is called masks/SCENE-0-a.png, in other upper and lower case",
    ),
    "no masks": (lambda folder: _remove(folder / "train" / "masks"), r"train: has images/ but no masks/"),
    "twice": (lambda folder: (folder / "classes.txt").write_text("a\nb\na\n"), r"classes.txt, line 3: names 'a' again"),
    "one class": (lambda folder: (folder / "classes.txt").write_text("a\n"), r"classes.txt: names 1 class"),
    "void": (lambda folder: _void(folder / "train"), r"no mask of the train set has a label, all pixels are 255"),
}


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _void(folder: Path) -> None:
    for path in (folder / "masks").iterdir():
        Image.fromarray(np.full(SIZE, 255, dtype=np.uint8)).save(path)


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, kind: str):
    folder = masked_folder(tmp_path, 3, sets=("train", "test"))
    spoil, message = WRONG[kind]
    spoil(folder)
    with pytest.raises(InputError, match=message) as caught:
        load(folder)
    assert "\n" not in caught.value.message


def test_a_mask_without_any_label_is_skipped_with_its_name(tmp_path: Path, listener: Any):
    folder = masked_folder(tmp_path, 3, sets=("train", "test"))
    Image.fromarray(np.full(SIZE, 255, dtype=np.uint8)).save(first(folder))
    assert len(load(folder, report=listener).y_train) == 2
    assert any(
        "1 mask without any label, such as that of train/images/scene-0-a.png" in line
        for line in listener.notes + listener.warnings
    )


def test_a_class_that_no_training_pixel_has_is_named(tmp_path: Path, listener: Any):
    folder = masked_folder(tmp_path, 3, sets=("train", "test"))
    (folder / "classes.txt").write_text("ground\nbox\nbar\nboat\n")
    assert load(folder, report=listener).classes == ("ground", "box", "bar", "boat")
    assert any("'boat'" in line and "no training pixel" in line for line in listener.notes + listener.warnings)


def test_masks_without_a_picture_and_other_sources(tmp_path: Path, listener: Any):
    folder = masked_folder(tmp_path, 3, sets=("train", "test"))
    (folder / "train" / "images" / "scene-0-a.png").unlink()
    assert len(load(folder, report=listener).y_train) == 2
    assert any(
        "1 mask without a picture, such as train/masks/scene-0-a.png" in line for line in listener.notes + listener.warnings
    )
    with pytest.raises(InputError, match="digits: has no masks"):
        load("digits")
    np.savez(tmp_path / "c.npz", x=np.zeros((2, 8, 8, 3)), y=np.zeros((2, 8, 9), dtype=np.uint8))
    with pytest.raises(InputError, match=r"'y' has shape \(2, 8, 9\); masks of these images are \(2, 8, 8\)"):
        load(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 8, 8, 3)), y=np.zeros((2, 8, 8)))
    with pytest.raises(InputError, match="'y' is float64; masks hold whole numbers"):
        load(tmp_path / "d.npz")


def test_pictures_to_predict_are_those_of_images_only(tmp_path: Path):
    folder = masked_folder(tmp_path, 3, sets=("train", "test"))
    every, test = load(folder, unlabelled=True), load(folder, unlabelled=True, split="test")
    assert (len(every.x_test), len(test.x_test)) == (6, 3)
    assert not [name for name in every.metadata["test"]["file"] if "masks" in name]


def test_frames_that_follow_each_other_are_held_out_in_blocks(tmp_path: Path):
    names = [f"{k:04d}" for k in range(60)]
    found = blocks_of(names, "train")
    assert found is not None and len(set(found)) == 12
    assert all(np.ptp(np.flatnonzero(found == one)) == (found == one).sum() - 1 for one in set(found))
    data = load(masked_folder(tmp_path, 60, names=names))
    train, test = (set(data.metadata[name][BLOCK]) for name in ("train", "test"))
    assert not train & test and len(data.y_test) == 10
    shuffled = [f"{k * 7919 % 100_003:06d}" for k in range(60)]
    assert blocks_of(sorted(shuffled), "") is None
    assert blocks_of([f"cat{'abcdefgh'[k % 8]}{k // 8}" for k in range(60)], "") is None
