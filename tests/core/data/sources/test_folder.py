"""Image folders: what is found in them, what is decoded, and what goes wrong."""

import json
import os
import shutil
import threading
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dlcli.core.data import decoding, open_data
from dlcli.core.data.base import check_trainable
from dlcli.support.errors import InputError
from dlcli.support.lock import locked
from tests.core.data.pictures import contents, contents_of, fill, noise, picture


@pytest.mark.parametrize("shape", [(6, 6, 3), (6, 6), (4, 7, 3)])
def test_a_folder_a_class_comes_out_as_it_was_written(tmp_path, shape):
    written = fill(tmp_path, ("bee", "ant", "10", "9"), shape=shape)
    data = open_data(str(tmp_path))
    assert data.classes == ("10", "9", "ant", "bee")
    assert (data.channels, data.size) == (3 if len(shape) == 3 else 1, shape[:2])
    assert [len(split.y) for split in data.splits.values()] == [16, 4]
    assert torch.bincount(data.y_test).tolist() == [1, 1, 1, 1]
    both = contents(data.splits["train"], data.classes) | contents(data.splits["test"], data.classes)
    assert both == contents_of(written, tmp_path)


def test_a_folders_own_sets_are_kept_apart(tmp_path, listener):
    names = {"train": "train", "test": "test", "train_dev": "train-dev", "val": "dev"}
    written = {name: fill(tmp_path / name, n=3, seed=k) for k, name in enumerate(names)}
    data = open_data(str(tmp_path), report=listener)
    assert set(data.splits) == set(names.values())
    for folder, name in names.items():
        assert contents(data.splits[name], data.classes) == contents_of(written[folder], tmp_path / folder)
    assert listener.warnings == []


def test_val_is_the_test_set_where_there_is_no_other(tmp_path):
    fill(tmp_path / "train")
    written = fill(tmp_path / "val", ("bee",), n=2, seed=1)
    data = open_data(str(tmp_path))
    assert contents(data.splits["test"], data.classes) == contents_of(written, tmp_path / "val")
    assert not data.extra_splits


def test_train_alone_gives_a_fifth_for_testing_and_test_alone_nothing_to_train_on(tmp_path):
    fill(tmp_path / "a" / "train")
    assert [len(split.y) for split in open_data(str(tmp_path / "a")).splits.values()] == [8, 2]
    fill(tmp_path / "b" / "test")
    data = open_data(str(tmp_path / "b"))
    assert data.x_train.shape == (0, 3, 6, 6)
    assert [len(split.y) for split in data.splits.values()] == [0, 10]


def test_classes_called_train_and_test_are_classes(tmp_path):
    fill(tmp_path, ("train", "plane"))
    assert open_data(str(tmp_path)).classes == ("plane", "train")


def test_two_folders_for_one_set(tmp_path):
    for name in ("train", "test", "val", "dev"):
        fill(tmp_path / name, n=1)
    with pytest.raises(InputError, match="both dev and val would be the dev set"):
        open_data(str(tmp_path))


def test_folders_inside_a_class_belong_to_it(tmp_path):
    fill(tmp_path)
    picture(tmp_path / "ant" / "more" / "x.PNG", noise(7))
    data = open_data(str(tmp_path))
    assert int((torch.cat([data.y_train, data.y_test]) == 0).sum()) == 6


def test_the_order_of_the_directory_does_not_matter(tmp_path):
    fill(tmp_path / "a", n=9)
    (tmp_path / "b").mkdir()
    for path in sorted((tmp_path / "a").rglob("*.png"), reverse=True):
        target = tmp_path / "b" / path.relative_to(tmp_path / "a")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    assert open_data(str(tmp_path / "a")).fingerprint == open_data(str(tmp_path / "b")).fingerprint


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_exif_says(tmp_path, orientation):
    """A camera stores the same scene in eight ways; the peer is the standard's own table of what the first pixel is."""
    scene = noise(3, (6, 6, 3))
    stored = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.transpose(1, 0, 2),
        6: scene.transpose(1, 0, 2)[::-1],
        7: scene[::-1, ::-1].transpose(1, 0, 2),
        8: scene.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        picture(tmp_path / name, np.ascontiguousarray(stored), exif=exif)
    np.testing.assert_array_equal(open_data(str(tmp_path)).x_test[0].mul(255).round().numpy(), scene.transpose(2, 0, 1))


def test_a_turned_picture_counts_with_its_turned_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        picture(tmp_path / name, noise(1, (4, 7, 3)), exif=exif)
    assert open_data(str(tmp_path)).size == (7, 4)


def test_damaged_metadata_does_not_cost_the_picture(tmp_path, listener):
    exif = Image.Exif()
    exif[0x0112] = 6
    fill(tmp_path, n=2)
    path = picture(tmp_path / "bee" / "x.png", noise(9), exif=exif)
    content = path.read_bytes()
    start = content.index(b"eXIf")
    head = content[: start + 4] + b"MM\x00\x2a\xff\xff\xff\xff" + content[start + 12 : -4]  # the directory is nowhere
    length = int.from_bytes(content[start - 4 : start])
    body = head[start : start + 4 + length]
    path.write_bytes(head[: start + 4 + length] + zlib.crc32(body).to_bytes(4) + content[start + 8 + length :])
    data = open_data(str(tmp_path), report=listener, strict=True)
    assert listener.warnings == []
    assert noise(9).transpose(2, 0, 1).tobytes() in {pixels for pixels, _ in contents(data.splits["train"], data.classes)}


def test_one_picture_in_colour_makes_all_colour(tmp_path):
    fill(tmp_path, shape=(6, 6))
    grey = open_data(str(tmp_path))
    picture(tmp_path / "bee" / "z.png", noise(5))
    data = open_data(str(tmp_path))
    assert (grey.channels, data.channels) == (1, 3)
    first = data.x_train[0]
    assert torch.equal(first, grey.x_train[0].expand(3, -1, -1))


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path):
    deep = np.linspace(0, 65535, 36).reshape(6, 6).astype(np.uint16)
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        picture(tmp_path / name, deep)
    np.testing.assert_allclose(open_data(str(tmp_path)).x_test[0, 0].numpy(), deep / 65535, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("size", [5, 16, 224])
def test_sizes_are_those_of_torchvision(tmp_path, size):
    from torchvision.transforms import v2

    shapes = [(6, 6, 3), (9, 14, 3), (31, 12, 3), (20, 61, 3)]
    for k, shape in enumerate(shapes):
        picture(tmp_path / "a" / f"{k}.png", noise(k, shape))
        picture(tmp_path / "b" / f"{k}.png", noise(k, shape))
    data = open_data(str(tmp_path), size=None if size == 224 else size)
    peer = v2.Compose([v2.Resize(size), v2.CenterCrop(size)])
    for split in data.splits.values():
        for image in split.x:
            matches = [np.asarray(peer(Image.fromarray(noise(k, shape)))) for k, shape in enumerate(shapes)]
            assert any((match == image.mul(255).round().byte().numpy().transpose(1, 2, 0)).all() for match in matches)


def test_different_sizes_are_reported(tmp_path, listener):
    fill(tmp_path)
    picture(tmp_path / "ant" / "z.png", noise(5, (9, 7, 3)))
    assert open_data(str(tmp_path), report=listener).size == (224, 224)
    assert listener.notes == [f"{tmp_path}: images of 2 sizes are resized to 224x224; `size=N` resizes them to NxN"]


_DAMAGE = {
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_text("no picture"), "not an image in a supported format"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3]), "cannot be decoded"),
    "head": (lambda path: path.write_bytes(path.read_bytes()[:30]), "not an image in a supported format|cannot be decoded"),
    "gone": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "there is no such file"),
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_an_unreadable_picture_is_named_and_skipped(tmp_path, listener, damage):
    written = fill(tmp_path, n=50, shape=(20, 20, 3))
    broken, (spoil, reason) = tmp_path / "bee" / "03.png", _DAMAGE[damage]
    before = open_data(str(tmp_path))
    spoil(broken)
    del written[broken]
    for _ in range(2):  # from the files, and from the cache
        data = open_data(str(tmp_path), report=listener)
        both = contents(data.splits["train"], data.classes) | contents(data.splits["test"], data.classes)
        assert both == contents_of(written, tmp_path)
    assert len(listener.warnings) == 2
    assert listener.warnings[0] == listener.warnings[1]
    assert listener.warnings[0].startswith(f"{broken}: ")
    assert listener.warnings[0].endswith("; skipped")
    assert len(before.x_test) - len(data.x_test) + len(before.x_train) - len(data.x_train) == 1
    with pytest.raises(InputError, match=reason) as caught:
        open_data(str(tmp_path), strict=True)
    assert str(broken) in caught.value.message
    assert "\n" not in caught.value.message


def test_pictures_that_would_fill_memory_are_skipped(tmp_path, listener, monkeypatch):
    fill(tmp_path)
    picture(tmp_path / "ant" / "huge.png", noise(0, (100, 100, 3)))
    picture(tmp_path / "bee" / "long.png", noise(0, (4, 200, 3)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # Pillow itself refuses twice that
    data = open_data(str(tmp_path), size=16, report=listener)
    assert len(data.y_train) + len(data.y_test) == 10
    assert "decompression bomb" in listener.warnings[0]
    assert listener.warnings[1].endswith("long.png: cannot be decoded (200x4 pixels has too extreme an aspect ratio); skipped")


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "tiff", "webp", "bmp", "ppm"])
def test_damage_of_any_kind_is_named_or_decoded_but_never_more(tmp_path, kind, listener):
    """Bytes changed at random: a picture comes out, or it is skipped with a warning; no other error, no warning of Pillow's."""
    rng = np.random.default_rng(0)
    for path in fill(tmp_path, n=2, shape=(12, 12, 3)):
        path.rename(path.with_name(f"sound-{path.name}"))
    for k in range(60):
        path = picture(tmp_path / "ant" / f"{k:02}.{kind}", noise(k, (12, 12, 3)))
        content = bytearray(path.read_bytes())
        for place in rng.integers(0, len(content), 3):
            content[place] = rng.integers(256)
        path.write_bytes(content[: rng.integers(len(content) // 2, len(content) + 1)])
    data = open_data(str(tmp_path), size=8, report=listener)
    named = [line for line in listener.warnings[:5] if f".{kind}: " in line]
    more = [int(line.split(": ")[1].split()[0]) for line in listener.warnings[5:]]
    assert len(data.y_train) + len(data.y_test) + len(named) + sum(more) == 64
    assert 0 <= float(data.x_train.min()) <= float(data.x_train.max()) <= 1


def test_a_folder_and_an_archive_of_the_same_pictures_are_the_same_data(tmp_path):
    written = fill(tmp_path / "folder", ("ant", "bee", "cow"), n=11)
    labels = [path.parent.name for path in written]
    np.savez(tmp_path / "a.npz", x=np.stack(list(written.values())), y=np.array(labels))
    one, other = open_data(str(tmp_path / "folder")), open_data(str(tmp_path / "a.npz"))
    assert one.fingerprint == other.fingerprint
    assert open_data(str(tmp_path / "folder"), limit=5).fingerprint == open_data(str(tmp_path / "a.npz"), limit=5).fingerprint


def test_many_broken_pictures_are_summed_up(tmp_path, listener):
    fill(tmp_path, n=20)
    for k in range(9):
        (tmp_path / "ant" / f"{k:02}.png").write_bytes(b"")
    open_data(str(tmp_path), report=listener)
    assert len(listener.warnings) == 6
    assert listener.warnings[-1].endswith("4 more images cannot be read; skipped")


def test_no_picture_can_be_read(tmp_path):
    for path in fill(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"none of its 10 images can be read, for example .*00\.png: is empty"):
        open_data(str(tmp_path))


def test_a_class_or_a_set_lost_to_damage(tmp_path, listener):
    fill(tmp_path / "train", ("ant", "bee", "cow"), n=2)
    written = fill(tmp_path / "test", ("ant", "bee", "cow"), n=1)
    for path in (tmp_path / "train" / "cow").iterdir():
        path.write_bytes(b"")
    data = open_data(str(tmp_path), report=listener)
    assert data.classes == ("ant", "bee", "cow")
    assert listener.warnings[-1] == f"{tmp_path}: no training image of class 'cow' can be read"
    for path in written:
        path.write_bytes(b"")
    with pytest.raises(InputError, match="no image of the test set can be read"):
        open_data(str(tmp_path))
    for path in (tmp_path / "train" / "bee").iterdir():
        path.write_bytes(b"")
    fill(tmp_path / "test", n=1)
    with pytest.raises(InputError, match="all training labels are 'ant'"):
        open_data(str(tmp_path))


def test_other_files_and_empty_folders_are_reported(tmp_path, listener):
    fill(tmp_path)
    (tmp_path / "cow").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("README.md", "ant/notes.txt", "ant/.DS_Store", "bee/thumbs.db"):
        (tmp_path / name).write_text("x")
    data = open_data(str(tmp_path), report=listener)
    assert data.classes == ("ant", "bee")
    assert listener.warnings == [
        f"{tmp_path}: skipped (not images in a class folder): README.md, ant/notes.txt, bee/thumbs.db (3 in total)",
        f"{tmp_path / 'cow'}: contains no images, so 'cow' is not a class",
    ]


def _one_class(folder):
    fill(folder, ("ant",))


def _flat(folder):
    picture(folder / "1.png", noise(0))


def _two_images(folder):
    fill(folder, n=1)


def _new_class(folder):
    fill(folder / "train")
    fill(folder / "test", ("ant", "cow"))


def _empty_test(folder):
    fill(folder / "train")
    (folder / "test" / "ant").mkdir(parents=True)


def _only_dev(folder):
    fill(folder / "dev")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "has no folder in it, and no labels.csv"),
        (lambda folder: (folder / "ant").mkdir(), "has no images in its folders"),
        (_flat, "has no folder in it, and no labels.csv"),
        (_one_class, "has images of one class only, 'ant'"),
        (_two_images, "no class has two images, so none can be held out for testing"),
        (_new_class, r"test/cow: train has no class 'cow'"),
        (_empty_test, "test: contains no images"),
        (_only_dev, "has dev, but neither train nor test"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        open_data(str(tmp_path))
    assert "\n" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("layout", ["folders", "table", "set of a table"])
def test_a_test_set_alone_may_have_one_class(tmp_path, layout):
    """Its accuracy is a figure like others; what trains on it says that there is nothing to train on."""
    folder = tmp_path / "d"
    if layout == "folders":
        fill(folder / "test", ("ant",), n=3)
    else:
        fill(folder, ("ant",), n=3)
        part = ",split" if layout == "set of a table" else ""
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
        rows = [f"{name},ant{part and ',test'}" for name in names]
        (folder / "labels.csv").write_text("\n".join([f"file,name{part}", *rows]) + "\n")
    data = open_data(str(folder))
    assert data.classes == ("ant",) and len(data.y_test) == 3 and not len(data.y_train)
    with pytest.raises(InputError, match="only a test set and nothing to train on"):
        check_trainable(data)


def test_each_image_is_known_by_its_file(tmp_path):
    written = {str(path.relative_to(tmp_path)): pixels for path, pixels in fill(tmp_path, n=6).items()}
    data = open_data(str(tmp_path), limit=4)
    for split in data.splits.values():
        for name, image in zip(split.metadata["file"], split.x, strict=True):
            np.testing.assert_array_equal(image.mul(255).round().byte().numpy(), written[name].transpose(2, 0, 1))


def test_two_images_a_class_are_enough(tmp_path):
    fill(tmp_path, n=2)
    assert [len(split.y) for split in open_data(str(tmp_path)).splits.values()] == [2, 2]


def test_a_limit_is_kept_in_every_set_and_before_decoding(tmp_path, cache):
    fill(tmp_path / "train", n=20)
    fill(tmp_path / "test", n=3)
    data = open_data(str(tmp_path), limit=8)
    assert [len(split.y) for split in data.splits.values()] == [8, 6]
    assert torch.bincount(data.y_train).tolist() == [4, 4]
    (kept,) = (cache / "images").glob("*.safetensors")
    assert len(load_file(kept)["pixels"]) == 14


def test_a_second_opening_decodes_nothing(tmp_path, monkeypatch, listener):
    fill(tmp_path)
    first = open_data(str(tmp_path), report=listener)
    monkeypatch.setattr(decoding, "_decode", lambda *rest: pytest.fail("decoded"))
    assert open_data(str(tmp_path), report=listener).fingerprint == first.fingerprint
    assert len(listener.tasks) == 1


def test_a_changed_file_overwrites_its_cache_entry(tmp_path, cache):
    fill(tmp_path)
    first = open_data(str(tmp_path))
    path = picture(tmp_path / "ant" / "00.png", noise(77))
    os.utime(path, ns=(1, 1))  # whatever the size, the time differs
    second = open_data(str(tmp_path))
    picture(tmp_path / "ant" / "new.png", noise(78))
    third = open_data(str(tmp_path))
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3
    assert len(list((cache / "images").iterdir())) == 1
    assert open_data(str(tmp_path), size=4).size == (4, 4)


def test_a_second_run_waits_for_the_first(tmp_path, cache, listener):
    fill(tmp_path)
    expected = open_data(str(tmp_path)).fingerprint
    (kept,) = (cache / "images").iterdir()
    found = []
    second = threading.Thread(target=lambda: found.append(open_data(str(tmp_path), report=listener).fingerprint))
    with locked(kept):
        second.start()
        while not listener.notes and second.is_alive():
            time.sleep(0.01)
        assert found == []
    second.join()
    assert found == [expected]
    assert listener.notes == [f"another run is reading {tmp_path}; waiting for it"]


@pytest.mark.parametrize("spoil", ["cut", "bit"])
def test_a_damaged_cache_entry_is_decoded_again(tmp_path, cache, listener, spoil):
    fill(tmp_path)
    first = open_data(str(tmp_path))
    (kept,) = (cache / "images").iterdir()
    content = bytearray(kept.read_bytes())
    if spoil == "bit":
        content[-5] ^= 1
    kept.write_bytes(content if spoil == "bit" else content[:-100])
    assert open_data(str(tmp_path), report=listener).fingerprint == first.fingerprint
    assert len(listener.warnings) == 1
    assert "read again" in listener.warnings[0]
    assert open_data(str(tmp_path), report=listener).fingerprint == first.fingerprint
    assert len(listener.warnings) == 1


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path, cache, listener):
    fill(tmp_path)
    cache.mkdir()
    (cache / "images").write_text("in the way")
    assert len(open_data(str(tmp_path), report=listener).y_train) == 8
    assert len(listener.warnings) == 1
    assert "cannot be cached for the next run" in listener.warnings[0]


def _table(folder, lines, n=4):
    for k in range(n):
        picture(folder / f"{k}.png", noise(k))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def test_a_table_of_indices_gives_a_test_set(tmp_path, listener):
    _table(tmp_path, ["file,class_index,name", "2.png,5,five", "0.png,1,one", "1.png,5,five"])
    data = open_data(str(tmp_path), report=listener)
    assert data.classes == ("0", "one", "2", "3", "4", "five")
    assert data.y_test.tolist() == [5, 1, 5]
    assert data.x_train.shape == (0, 3, 6, 6)
    np.testing.assert_array_equal(data.x_test[0].mul(255).round().numpy(), noise(2).transpose(2, 0, 1))
    assert listener.warnings == [f"{tmp_path}: skipped 1 image not listed in labels.csv"]


def test_a_table_of_names_gives_sorted_classes(tmp_path):
    _table(tmp_path, ["name;file", "bee;0.png", "ant;1.png", "bee;2.png"])
    data = open_data(str(tmp_path))
    assert (data.classes, data.y_test.tolist()) == (("ant", "bee"), [1, 0, 1])


def test_a_picture_that_the_table_names_may_be_missing(tmp_path, listener):
    _table(tmp_path, ["file,name", "0.png,a", "9.png,b", "1.png,b"], n=2)
    assert open_data(str(tmp_path), report=listener).y_test.tolist() == [0, 1]
    assert listener.warnings == [f"{tmp_path / '9.png'}: there is no such file; skipped"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,width", "0.png,1"], "has columns width, none of which is called label or class"),
        (["width,class", "1,0"], "has columns width, class, none of which names files"),
        (["file,name"], "has no rows"),
        (["file,class_index", "0.png,1", "1.png,-1"], "row 2, column 'class_index': '-1' is not a number"),
        (["file,class_index", "0.png,9999999999", "1.png,1"], "row 1, column 'class_index'"),
        (["file,class_index", "0.png,1.5", "1.png,1"], "'1.5' is not a number from 0"),
        (["file,name", "0.png,a", "0.png,b"], "row 2, column 'file': '0.png' is in row 1 too"),
        (["file,name", ",a", "0.png,b"], "row 1, column 'file': is empty"),
        (["file,class_index,name", "0.png,1,a", "1.png,1,b"], "row 2: class 1 is called 'b' here and 'a' above"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, lines, message):
    _table(tmp_path, lines)
    with pytest.raises(InputError, match=message):
        open_data(str(tmp_path))


def test_photographs_of_imagenet_carry_their_own_indices(shared_data):
    folder = shared_data("images/imagenet")
    data = open_data(str(folder))
    assert data.x_test.shape == (250, 3, 224, 224)
    assert (len(data.classes), data.classes[4], len(data.y_train)) == (1000, "hammerhead", 0)
    assert len(set(data.y_test.tolist())) == 250
    assert json.dumps(data.classes)


@pytest.mark.slow
def test_real_weights_know_the_photographs(shared_data):
    """Torchvision publishes 58.2% top-1 for squeezenet1_1 on the validation set; unaligned indices would give 0.1%."""
    import torchvision

    data = open_data(str(shared_data("images/imagenet")))
    model = torchvision.models.squeezenet1_1()
    model.load_state_dict(torch.load(shared_data("weights/squeezenet1_1_imagenet.pth"), weights_only=True))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    model.eval()
    with torch.no_grad():
        normal = (data.x_test - mean[:, None, None]) / std[:, None, None]
        logits = torch.cat([model(batch) for batch in normal.split(25)])
    assert 0.45 < float((logits.argmax(1) == data.y_test).float().mean()) < 0.75


def test_one_broken_picture_among_a_thousand(tmp_path, listener, cache):
    classes = tuple(f"{k:02}" for k in range(20))
    written = fill(tmp_path, classes, n=50, shape=(8, 8, 3))
    (tmp_path / "nothing").mkdir()
    broken = tmp_path / "07" / "31.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(InputError, match="cannot be decoded") as caught:
        open_data(str(tmp_path), strict=True)
    assert caught.value.message.startswith(f"{broken}: ")
    data = open_data(str(tmp_path), report=listener)
    del written[broken]
    assert contents(data.splits["train"], data.classes) | contents(data.splits["test"], data.classes) == contents_of(
        written, tmp_path
    )
    assert len(data.y_train) + len(data.y_test) == 999
    (kept,) = (cache / "images").iterdir()
    assert len(load_file(kept)["pixels"]) == 999
    assert data.classes == classes
    assert listener.warnings[0] == f"{tmp_path / 'nothing'}: contains no images, so 'nothing' is not a class"
    assert listener.warnings[1].startswith(f"{broken}: cannot be decoded")
    assert len(listener.warnings) == 2


def test_two_pictures_in_all(tmp_path):
    fill(tmp_path / "a", n=1)
    with pytest.raises(InputError, match="no class has two images, so none can be held out for testing"):
        open_data(str(tmp_path / "a"))
    fill(tmp_path / "b", ("ant",), n=2)
    with pytest.raises(InputError, match="one class only"):
        open_data(str(tmp_path / "b"))
    fill(tmp_path / "c" / "train", n=1)
    with pytest.raises(InputError, match="no class has two images"):
        open_data(str(tmp_path / "c"))
    fill(tmp_path / "c" / "test", ("bee",), n=1, seed=1)  # two to train on and one to test
    assert [split.y.tolist() for split in open_data(str(tmp_path / "c")).splits.values()] == [[0, 1], [1]]
