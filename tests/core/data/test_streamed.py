"""Folders whose images do not fit into memory: the same images, from a file of the cache."""

import errno
import json
import os
import resource
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.compute.loader import to_float
from dlcli.core.data import base, cache, decoding, memmap, open_data
from dlcli.core.data import pictures as _pictures
from dlcli.core.data.base import Split
from dlcli.core.data.corrupt import corrupt
from dlcli.core.data.splits import with_dev_set
from dlcli.support.errors import InputError, ResourceError, UsageError
from tests.core.data.pictures import fill, noise, picture

_PICTURE = 3 * 6 * 6


@pytest.fixture
def memory(monkeypatch):
    """Set how many bytes of memory there are."""
    return lambda there: monkeypatch.setattr("dlcli.support.memory.available_memory", lambda: there)


@pytest.fixture
def both(tmp_path, memory, cache):
    """The data of a folder in memory and streamed, each read from the files."""

    def read(folder=tmp_path, **options):
        memory(10**9)
        within = open_data(str(folder), **options)
        shutil.rmtree(cache)
        memory(1000)
        streamed = open_data(str(folder), **options)
        assert within.x_test.dtype == torch.float32
        assert streamed.x_test.dtype == torch.uint8
        return within, streamed

    return read


def _assert_same(streamed, within):
    assert set(streamed.splits) == set(within.splits)
    assert streamed.classes == within.classes
    for name, split in within.splits.items():
        assert torch.equal(to_float(streamed.splits[name].x), split.x)
        assert torch.equal(streamed.splits[name].y, split.y)
        assert {key: list(column) for key, column in streamed.splits[name].metadata.items()} == {
            key: list(column) for key, column in split.metadata.items()
        }


def _mappings():
    """The mapped files of this process: the addresses, and the name."""
    lines = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [([int(end, 16) for end in line[0].split("-")], line[5]) for line in lines if len(line) > 5]
    return [(first, last, name) for (first, last), name in ranges]


def _is_in_a_file(x):
    if not Path("/proc/self/maps").exists():
        pytest.skip("the system does not tell what is mapped")
    return any(first <= x.data_ptr() < last and "/dlcli/images/" in name for first, last, name in _mappings())


@pytest.mark.parametrize("shape", [(6, 6, 3), (9, 7), (4, 11, 3)])
def test_streamed_images_are_those_in_memory_to_the_bit(tmp_path, both, shape):
    fill(tmp_path / "train", ("ant", "bee", "cow"), n=7, shape=shape)
    fill(tmp_path / "val", ("ant", "cow"), n=4, shape=shape, seed=1)
    fill(tmp_path / "test", ("ant", "cow"), n=6, shape=shape, seed=2)
    within, streamed = both()
    _assert_same(streamed, within)
    assert torch.equal(streamed.sample(5), within.sample(5))
    assert (streamed.size, streamed.channels) == (within.size, within.channels)


def test_the_sets_are_rows_of_one_file(tmp_path, memory):
    fill(tmp_path, n=10)
    memory(1000)
    data = open_data(str(tmp_path))
    assert all(_is_in_a_file(split.x) for split in data.splits.values())
    assert data.x_test.data_ptr() - data.x_train.data_ptr() == data.x_train.numel()


def test_pictures_of_many_sizes_a_limit_and_a_table(tmp_path, both):
    for k, shape in enumerate([(31, 12, 3), (20, 61, 3), (9, 14, 3), (16, 16, 3), (15, 19, 3)]):
        picture(tmp_path / f"{k}.png", noise(k, shape))
    rows = [f"{k}.png,{'ab'[k % 2]},camera {k}" for k in (3, 0, 4, 2, 1)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,name,camera", *rows]) + "\n")
    within, streamed = both(size=16)
    _assert_same(streamed, within)
    assert streamed.x_train.shape == (0, 3, 16, 16)
    _assert_same(*reversed(both(size=16, limit=3)))


@pytest.mark.parametrize("where", [(0,), (19,), (0, 1, 7, 13, 19), tuple(range(10))])
def test_pictures_that_cannot_be_read_leave_no_gap(tmp_path, both, listener, where):
    paths = list(fill(tmp_path, n=10, shape=(20, 20, 3)))
    for number, k in enumerate(where):  # every other one is found out only when it is decoded
        content = paths[k].read_bytes()
        paths[k].write_bytes(content[: len(content) * 2 // 3] if number % 2 else b"")
    if len(where) == 10:
        paths[0].write_bytes(paths[-1].read_bytes())
    within, streamed = both()
    _assert_same(streamed, within)
    again = open_data(str(tmp_path), report=listener)
    _assert_same(again, within)
    assert listener.tasks == []  # from the cache
    broken = len(where) - (len(where) == 10)
    assert len([line for line in listener.warnings if "skipped" in line]) == min(broken, 6)
    with pytest.raises(InputError) as caught:
        open_data(str(tmp_path), strict=True)
    assert str(paths[where[len(where) == 10]]) in caught.value.message


def test_no_picture_can_be_decoded(tmp_path, memory):
    for path in fill(tmp_path, shape=(20, 20, 3)):
        path.write_bytes(path.read_bytes()[:-200])
    memory(1000)
    for _ in range(2):
        with pytest.raises(InputError, match="none of its 10 images can be read"):
            open_data(str(tmp_path))


def test_streaming_is_reported(tmp_path, memory, listener, cache):
    fill(tmp_path)
    memory(4 * 10 * _PICTURE)
    assert open_data(str(tmp_path)).x_train.dtype == torch.float32
    memory(4 * 10 * _PICTURE - 1)
    assert open_data(str(tmp_path), report=listener).x_train.dtype == torch.uint8
    (note,) = listener.notes
    assert note.startswith(f"{tmp_path}: its 10 images need 4.3 KB as floats, more than the available memory")
    assert str(cache / "images") in note


def test_a_second_opening_decodes_nothing_and_hashes_no_pixels(tmp_path, memory, monkeypatch):
    fill(tmp_path, n=30)
    memory(1000)
    first = open_data(str(tmp_path))
    monkeypatch.setattr(decoding, "_decode", lambda *rest: pytest.fail("decoded"))
    for module in (cache, base):
        hashed = _Hashed(limit=30 * _PICTURE)
        monkeypatch.setattr(module, "hashlib", hashed)
    second = open_data(str(tmp_path))
    assert second.fingerprint == first.fingerprint
    assert hashed.seen > 0
    assert torch.equal(second.x_train, first.x_train)


class _Hashed:
    """hashlib that refuses to be given as much as the pixels are."""

    def __init__(self, limit):
        self.limit, self.seen = limit, 0

    def sha256(self, content=b""):
        import hashlib

        self.seen += memoryview(content).nbytes
        assert self.seen < self.limit
        digest, outer = hashlib.sha256(content), self

        class Digest:
            def update(self, more):
                outer.seen += memoryview(more).nbytes
                assert outer.seen < outer.limit
                digest.update(more)

            def hexdigest(self):
                return digest.hexdigest()

        return Digest()


def test_the_fingerprint_is_of_what_is_in_the_folder_and_not_of_where_it_is(tmp_path, memory):
    memory(1000)
    fill(tmp_path / "a", n=8)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    fill(tmp_path / "c", n=8, seed=1)
    shutil.copytree(tmp_path / "a", tmp_path / "d")
    (tmp_path / "d" / "bee").rename(tmp_path / "d" / "bug")
    for name in ("train", "test"):
        shutil.copytree(tmp_path / "a", tmp_path / "e" / name)
    for name, train, folder, test in (("f", "a", "test", "c"), ("g", "c", "val", "a")):  # the same bytes, changed over
        shutil.copytree(tmp_path / train, tmp_path / name / "train")
        shutil.copytree(tmp_path / test, tmp_path / name / folder)
    found = {name: open_data(str(tmp_path / name)).fingerprint for name in "abcdefg"}
    assert found["a"] == found["b"]
    assert len(set(found.values())) == 6
    picture(tmp_path / "a" / "ant" / "00.png", noise(77))
    os.utime(tmp_path / "a" / "ant" / "00.png", ns=(1, 1))
    assert open_data(str(tmp_path / "a")).fingerprint not in found.values()


def test_bytes_that_nothing_is_known_of_are_hashed():
    x = torch.arange(96, dtype=torch.uint8).view(8, 3, 2, 2)
    y = torch.tensor([0, 1] * 4)

    def fingerprint(x, content_id=""):
        split = Split(x, y, content_id=content_id)
        return base.data_from_splits({"train": split, "test": split}, ("a", "b"), "made up").fingerprint

    prints = [fingerprint(x), fingerprint(x + 1), fingerprint(x, "k"), fingerprint(x, "l"), fingerprint(x[:, :1], "k")]
    assert len(set(prints)) == 5
    assert fingerprint(x + 1, "k") == prints[2]
    assert fingerprint(x.float(), "k") == fingerprint(x.float(), "l")  # floats speak for themselves


@given(data=st.data())
def test_a_part_is_what_indexing_gives(data):
    n = data.draw(st.integers(1, 12))
    split = Split(torch.arange(n * 6, dtype=torch.uint8).view(n, 1, 2, 3), torch.arange(n), {"k": np.arange(n)}, "x")
    masks, indices = st.lists(st.booleans(), min_size=n, max_size=n), st.lists(st.integers(-n, n - 1), max_size=15)
    which = data.draw(masks.map(np.array) | indices.map(lambda found: np.array(found, np.int64)))
    part = split.take(which)
    assert torch.equal(part.x, split.x[torch.from_numpy(which)])
    assert torch.equal(part.y, split.y[torch.from_numpy(which)])
    assert part.metadata["k"].tolist() == part.y.tolist()
    rows = np.arange(n)[which]
    turned = np.roll(rows, 1)
    assert (split.take(turned).content_id == split.take(rows).content_id) == bool((turned == rows).all())


def test_parts_are_views_or_in_memory_or_in_a_file_without_a_name(tmp_path, memory, cache):
    fill(tmp_path, n=100)
    memory(1000)
    split = open_data(str(tmp_path)).splits["train"]
    there = sorted((cache / "images").iterdir())
    assert split.take(np.arange(3, 90)).x.data_ptr() == split.x[3:].data_ptr()
    mask = np.arange(160) % 3 > 0
    scattered = split.take(mask)
    assert _is_in_a_file(scattered.x)
    assert torch.equal(scattered.x, split.x[torch.from_numpy(mask)])
    needed = 4 * int(mask.sum()) * _PICTURE
    for room, in_a_file in ((needed - 1, True), (needed, False)):
        memory(room)
        assert _is_in_a_file(split.take(mask).x) == in_a_file
    assert sorted((cache / "images").iterdir()) == there


def test_a_part_that_the_disk_does_not_hold(tmp_path, memory, cache, monkeypatch):
    fill(tmp_path, n=100)
    memory(1000)
    data = open_data(str(tmp_path))
    _free(monkeypatch, 2000)
    with pytest.raises(ResourceError, match="need 13.8 KB there, and 2.0 KB are free") as caught:
        with_dev_set(data, 0.2, seed=0)
    assert str(cache / "images") in caught.value.message


def test_a_dev_set_of_streamed_images_is_that_of_images_in_memory(tmp_path, both):
    fill(tmp_path, n=40)
    within, streamed = both()
    found = {seed: with_dev_set(streamed, 0.25, seed) for seed in (1, 2)}
    _assert_same(found[1], with_dev_set(within, 0.25, 1))
    assert torch.equal(found[1].y_train, found[2].y_train)  # so that labels do not tell them apart
    assert len({streamed.fingerprint, found[1].fingerprint, found[2].fingerprint}) == 3
    assert with_dev_set(streamed, 0.25, 1).fingerprint == found[1].fingerprint


@pytest.mark.parametrize("spec", ["labels=0.5", "shuffled-pixels", "random-pixels"])
def test_corrupted_streamed_images_are_those_corrupted_in_memory(tmp_path, both, spec, memory):
    fill(tmp_path, n=100)
    within, streamed = both()
    found = {seed: corrupt(streamed, spec, seed) for seed in (1, 2)}
    _assert_same(found[1], corrupt(within, spec, 1))
    assert _is_in_a_file(found[1].x_train)
    prints = {streamed.fingerprint, found[1].fingerprint, found[2].fingerprint}
    assert len(prints) == 3
    assert corrupt(streamed, spec, 1).fingerprint == found[1].fingerprint


def test_gaussian_noise_is_not_for_streamed_images(tmp_path, memory):
    fill(tmp_path)
    memory(1000)
    with pytest.raises(UsageError, match="gaussian needs all images as floats, and those of .* do not fit") as caught:
        corrupt(open_data(str(tmp_path)), "gaussian", 0)
    assert "`size=N`" in caught.value.hint


def _free(monkeypatch, count):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**12, 0, count))


def test_the_disk_is_reckoned_before_anything_is_decoded(tmp_path, memory, monkeypatch, cache):
    fill(tmp_path)
    memory(1000)
    monkeypatch.setattr(_pictures.Pictures, "_pixels", lambda *_: pytest.fail("decoded"))
    _free(monkeypatch, 10 * _PICTURE - 1)
    with pytest.raises(ResourceError, match="need 1.1 KB there, and 1.1 KB are free") as caught:
        open_data(str(tmp_path))
    assert str(cache / "images") in caught.value.message
    assert "XDG_CACHE_HOME" in caught.value.hint
    monkeypatch.undo()
    assert len(open_data(str(tmp_path)).y_train) == 8


def test_a_disk_that_is_full_half_way(tmp_path, memory, cache, monkeypatch):
    """A limit on the size of files stands for it: writing fails after some images, as it does on a full disk."""
    fill(tmp_path, n=400)
    memory(1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(ResourceError, match=f"cannot hold data .*{os.strerror(errno.EFBIG)}") as caught:
            open_data(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.message.startswith(f"{cache / 'images'}: ")
    assert not cache.exists() or not list(cache.rglob("*.*"))
    assert len(open_data(str(tmp_path)).y_train) == 640


def test_a_cache_that_cannot_be_written_is_an_error_where_nothing_else_will_do(tmp_path, memory, cache):
    fill(tmp_path)
    cache.mkdir()
    (cache / "images").write_text("in the way")
    memory(1000)
    with pytest.raises(ResourceError, match="images: cannot hold data that do not fit into memory"):
        open_data(str(tmp_path))


def _cut(file, metadata):
    file.write_bytes(file.read_bytes()[:-1])


def _lengthen(file, metadata):
    file.write_bytes(file.read_bytes() + b"0")


def _no_json(file, metadata):
    metadata.write_text(metadata.read_text()[:-9])


def _no_shape(file, metadata):
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "shape": None}))


def _not_said(file, metadata):
    metadata.unlink()


def _gone(file, metadata):
    file.unlink()


def _other_key(file, metadata):
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "key": "of other files"}))


@pytest.mark.parametrize(
    ("spoil", "warnings"),
    [(_cut, 1), (_lengthen, 1), (_no_json, 1), (_no_shape, 1), (_not_said, 0), (_gone, 0), (_other_key, 0)],
)
def test_damaged_cache_entries_are_decoded_again(tmp_path, memory, cache, listener, spoil, warnings):
    fill(tmp_path)
    memory(1000)
    first = open_data(str(tmp_path))
    (file,), (metadata,) = ((cache / "images").glob(f"*.{ending}") for ending in ("bytes", "json"))
    before = file.read_bytes()
    spoil(_copied(file), metadata)
    again = open_data(str(tmp_path), report=listener)
    assert len(listener.warnings) == warnings
    assert all("read again" in line for line in listener.warnings)
    assert len(listener.tasks) == 1
    assert (file.read_bytes(), again.fingerprint) == (before, first.fingerprint)
    assert sorted(path.suffix for path in (cache / "images").iterdir()) == [".bytes", ".json"]


def _copied(file):
    """The file under its name but another inode, so that what is mapped of the old one stays sound."""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    return file


def test_once_there_is_memory_the_file_serves_as_well_and_is_checked(tmp_path, memory, cache, listener, monkeypatch):
    fill(tmp_path)
    memory(1000)
    streamed = open_data(str(tmp_path))
    memory(10**9)
    with monkeypatch.context() as context:
        context.setattr(decoding, "_decode", lambda *rest: pytest.fail("decoded"))
        data = open_data(str(tmp_path), report=listener)
    assert data.x_train.dtype == torch.float32
    _assert_same(streamed, data)
    (file,) = (cache / "images").glob("*.bytes")
    content = bytearray(_copied(file).read_bytes())
    content[500] ^= 1
    file.write_bytes(content)
    again = open_data(str(tmp_path), report=listener)
    assert again.fingerprint == data.fingerprint
    assert [line.partition(": ")[2] for line in listener.warnings] == [
        "the pixels differ from those that were written; the original files are read again"
    ]
    assert [path.suffix for path in (cache / "images").iterdir()] == [".safetensors"]


def test_pixels_kept_when_there_was_memory_are_streamed_too(tmp_path, memory, monkeypatch, cache):
    fill(tmp_path)
    memory(10**9)
    within = open_data(str(tmp_path))
    memory(4 * 10 * _PICTURE - 1)
    with monkeypatch.context() as context:
        context.setattr(decoding, "_decode", lambda *rest: pytest.fail("decoded"))
        streamed = open_data(str(tmp_path))
    assert streamed.x_train.dtype == torch.uint8
    _assert_same(streamed, within)
    memory(10)  # not even the bytes
    assert open_data(str(tmp_path)).fingerprint == streamed.fingerprint
    assert sorted(path.suffix for path in (cache / "images").iterdir()) == [".bytes", ".json"]


def test_images_in_use_stay_while_others_take_their_place(tmp_path, memory):
    fill(tmp_path)
    memory(1000)
    first = open_data(str(tmp_path))
    before = first.x_train.clone()
    for k, path in enumerate(sorted(tmp_path.rglob("*.png"))):
        picture(path, noise(500 + k))
        os.utime(path, ns=(1, 1))
    second = open_data(str(tmp_path))
    assert torch.equal(first.x_train, before)
    assert not torch.equal(second.x_train, before)


def test_what_is_kept_of_older_files_makes_room(tmp_path, memory, monkeypatch, cache):
    path = list(fill(tmp_path))[0]
    memory(1000)
    open_data(str(tmp_path))
    os.utime(path, ns=(1, 1))
    monkeypatch.setattr(memmap, "check_disk", lambda folder, *rest: list(folder.glob("*.bytes")) and pytest.fail("no room"))
    assert len(open_data(str(tmp_path)).y_train) == 8


def test_few_pictures_are_in_memory_at_a_time(tmp_path, memory, monkeypatch):
    """Decoding must wait for writing, else the pictures would pile up in memory after all."""
    fill(tmp_path, n=200)
    memory(1000)
    alive, most, plain = [0], [0], _pictures.Pictures._pixels

    def decode(*arguments):
        alive[0] += 1
        return plain(*arguments)

    def write_images(file, images):
        def counted():
            for image in images:
                most[0] = max(most[0], alive[0])
                yield image
                alive[0] -= 1

        return memmap.write_images(file, counted())

    monkeypatch.setattr(_pictures.Pictures, "_pixels", decode)
    monkeypatch.setattr(cache, "write_images", write_images)
    open_data(str(tmp_path))
    assert alive[0] == 0
    assert 0 < most[0] <= (decoding._DEPTH + 1) * decoding._MAX_THREADS
