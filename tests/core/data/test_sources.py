"""The registry of sources, digits, and .npz files from disk."""

import os
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.data import SOURCES, open_data
from dlcli.core.data.sources import digits, npz
from dlcli.support.errors import InputError, MissingInputError, ResourceError, UsageError


def test_the_registry_is_known():
    assert SOURCES.names() == tuple("clips coco digits folder moving-digits npz parquet table torchvision webdataset".split())


@pytest.mark.parametrize("spec", ["", "photos/", "zzzz"])
def test_an_unknown_spec_lists_what_is_expected(spec):
    with pytest.raises(MissingInputError, match="no such dataset, file or folder") as caught:
        open_data(spec)
    assert "digits" in caught.value.hint
    assert "FILE.npz" in caught.value.hint
    assert "a folder" in caught.value.hint
    assert "mnist" in caught.value.hint
    assert len(caught.value.hint) < 300


@pytest.mark.parametrize(("spec", "meant"), [("mnist9", "mnist"), ("Digits", "digits"), ("CIFAR-10", "cifar10")])
def test_a_spec_like_a_name_names_it(spec, meant):
    with pytest.raises(MissingInputError) as caught:
        open_data(spec)
    assert caught.value.hint == f"did you mean {meant}?"


@pytest.mark.parametrize(("option", "value"), [("size", 0), ("limit", 0), ("limit", -3)])
def test_sizes_and_limits_below_one_are_refused(option, value):
    with pytest.raises(UsageError, match=f"`{option}`: {value} is below 1"):
        open_data("digits", **{option: value})


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    peer, data = load_digits(), open_data("digits")
    assert data.classes == tuple("0123456789")
    assert data.size == (8, 8)
    together = torch.cat([data.x_train, data.x_test])[:, 0].numpy() * 16
    labels = torch.cat([data.y_train, data.y_test]).numpy()
    ours, theirs = np.column_stack([together.reshape(-1, 64), labels]), np.column_stack([peer.data, peer.target])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_a_third_of_each_digit_is_for_testing():
    data = open_data("digits")
    test, train = torch.bincount(data.y_test), torch.bincount(data.y_train)
    assert ((test / (test + train) - 1 / 3).abs() < 0.005).all()
    assert data.fingerprint == open_data("digits").fingerprint


def test_digits_without_the_file_come_from_the_package(monkeypatch):
    expected = open_data("digits").fingerprint
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    assert open_data("digits").fingerprint == expected


def _save(path, **arrays):
    np.savez_compressed(path, **arrays)
    return str(path)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {"x": rng.integers(0, 256, (40, 6, 6)).astype(np.uint8), "y": np.arange(40) % 4}


def test_x_and_y_give_a_fifth_for_testing(tmp_path, arrays):
    spec = _save(tmp_path / "a.NPZ.npz", **arrays)
    data = open_data(spec)
    assert (data.name, len(data.x_train), len(data.x_test)) == (spec, 32, 8)
    assert torch.bincount(data.y_test).tolist() == [2, 2, 2, 2]


def test_a_files_own_split_is_kept_and_preferred(tmp_path, arrays):
    own = {"x_train": arrays["x"][:30], "y_train": arrays["y"][:30], "x_test": arrays["x"][30:], "y_test": arrays["y"][30:]}
    data = open_data(_save(tmp_path / "a.npz", **own, **arrays, more=np.zeros(3)))
    np.testing.assert_allclose(data.x_test[:, 0], arrays["x"][30:] / 255, rtol=1e-6)
    assert data.y_train.tolist() == arrays["y"][:30].tolist()


@pytest.mark.parametrize("whole", [True, False])
def test_dev_and_train_dev_come_along(tmp_path, arrays, whole):
    x, y = arrays["x"], arrays["y"]
    sets = {"x_dev": x[:8], "y_dev": y[:8], "x_train_dev": x[8:12], "y_train_dev": y[8:12]}
    sets |= {"x": x, "y": y} if whole else {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    data = open_data(_save(tmp_path / "a.npz", **sets))
    assert set(data.extra_splits) == {"dev", "train-dev"}
    np.testing.assert_allclose(data.extra_splits["dev"].x[:, 0], x[:8] / 255, rtol=1e-6)
    assert data.extra_splits["train-dev"].y.tolist() == y[8:12].tolist()
    without = {key: value for key, value in sets.items() if "dev" not in key}
    plain = open_data(_save(tmp_path / "b.npz", **without))
    assert torch.equal(plain.x_test, data.x_test)
    assert plain.fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"x_dev": np.zeros((2, 6, 6))}, "has x_dev but no y_dev"),
        ({"y_train_dev": np.zeros(2, int)}, "has y_train_dev but no x_train_dev"),
        ({"x_dev": np.zeros((2, 6, 6)), "y_dev": np.array([0, 9])}, r"label 9 at 'y_dev'\[1\] is not among the labels of 'y'"),
        ({"x_dev": np.zeros((2, 5, 6)), "y_dev": np.array([0, 1])}, r"'x' and 'x_dev' differ in shape"),
    ],
)
def test_a_dev_set_that_does_not_go_with_the_rest(tmp_path, arrays, extra, message):
    with pytest.raises(InputError, match=message):
        open_data(_save(tmp_path / "a.npz", **arrays, **extra))


def test_a_limit_takes_of_every_set_and_every_class(tmp_path):
    x, y = np.random.default_rng(0).random((100, 5, 5)), np.array([0] * 90 + [1] * 8 + [2] * 2)
    spec = _save(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y, x_dev=x[95:], y_dev=y[95:])
    data = open_data(spec, limit=10)
    assert {name: len(split.y) for name, split in data.splits.items()} == {"train": 10, "test": 10, "dev": 5}
    assert set(data.y_train.tolist()) == {0, 1, 2}
    assert (data.y_train == 0).sum() >= 7
    assert data.fingerprint == open_data(spec, limit=10).fingerprint
    for image, label in zip(data.x_train[:, 0].numpy(), data.y_train.tolist(), strict=True):
        row = np.flatnonzero(np.isclose(x, image, atol=1e-6).all((1, 2)))
        assert y[row].tolist() == [label]


def test_another_size_keeps_the_centre_and_flat_colours(tmp_path):
    x = np.zeros((10, 6, 10), np.float32)
    x[:, :, 2:8] = 0.75  # the central square
    spec = _save(tmp_path / "a.npz", x=x, y=np.arange(10) % 2)
    data = open_data(spec, size=12)
    assert data.size == (12, 12)
    assert data.x_train[:, :, :, 2:-2].allclose(torch.tensor(0.75))
    same = open_data(spec, size=6)
    assert same.x_train.allclose(torch.tensor(0.75))
    assert len(same.x_train) == len(open_data(spec).x_train)


def test_arrays_that_do_not_fit_into_memory(tmp_path, arrays, monkeypatch):
    spec = _save(tmp_path / "a.npz", **arrays)
    monkeypatch.setattr("dlcli.support.memory.available_memory", lambda: 5000)  # 1440 and 320 bytes, and their heads
    with pytest.raises(ResourceError, match=r"'x' needs 5.8 KB of memory, and 5.0 KB are available"):  # 40 * 36 * 4 bytes
        open_data(spec)


def test_arrays_that_do_not_even_fit_as_they_are(tmp_path, monkeypatch):
    spec = _save(tmp_path / "a.npz", x=np.zeros((1000, 100, 100), np.uint8), y=np.arange(1000) % 2)  # 10 kB on disk
    monkeypatch.setattr("dlcli.support.memory.available_memory", lambda: 1_000_000)
    monkeypatch.setattr(npz, "_array", lambda *rest: pytest.fail("unpacked"))
    with pytest.raises(ResourceError, match="a.npz needs 10.0 MB of memory"):
        open_data(spec)


def test_missing_file():
    with pytest.raises(InputError, match=r"^absent\.npz: no such file$"):
        open_data("absent.npz")


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n", b"PK\x03\x04rest is missing", b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: is not a complete \.npz archive") as caught:
        open_data(str(tmp_path / "a.npz"))
    assert "\n" not in caught.value.message


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(InputError, match="no such file"):
        open_data(str(tmp_path / "a.npz"))


def test_a_single_array(tmp_path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="a single array"):
        open_data(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("key", ["x", "y"])
def test_a_damaged_member(tmp_path, arrays, key):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(f"{key}.npy").header_offset
    content[start + 200] ^= 0xFF  # past the two headers, inside the values: the checksum must notice
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a complete"):
        open_data(str(path))


def test_keys_that_are_not_enough(tmp_path, arrays):
    with pytest.raises(InputError, match="has x, labels; needs x and y, or x_train, y_train, x_test, y_test"):
        open_data(_save(tmp_path / "a.npz", x=arrays["x"], labels=arrays["y"]))
    with pytest.raises(InputError, match="has no arrays; needs"):
        open_data(_save(tmp_path / "b.npz"))


class _Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (self.target,))


@pytest.mark.parametrize("key", ["x", "y"])
def test_objects_are_refused_and_not_unpickled(tmp_path, arrays, key):
    target = tmp_path / "ran"
    spec = _save(tmp_path / "a.npz", **{**arrays, key: np.array([_Bomb(str(target))], dtype=object)})
    with pytest.raises(InputError, match=f"'{key}' is an array of Python objects; these are refused"):
        open_data(spec)
    assert not target.exists()


def test_an_object_array_that_is_not_needed_does_no_harm(tmp_path, arrays):
    assert len(open_data(_save(tmp_path / "a.npz", **arrays, notes=np.array([{}], dtype=object))).x_train) == 32


@given(st.integers(0, 2**32), st.sampled_from([(20, 4, 5), (20, 4, 5, 3), (20, 3, 5, 4)]), st.booleans())
def test_what_is_saved_is_what_is_loaded(tmp_path_factory, seed, shape, strings):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 256, shape).astype(np.uint8), rng.permutation(20) % 3
    names = np.array(["left", "middle", "right"])
    spec = _save(tmp_path_factory.mktemp("npz") / "a.npz", x=x, y=names[y] if strings else y)
    data = npz.load(spec)
    sums = {
        (round(float(image.sum() * 255)), data.classes[label])
        for part, labels in ((data.x_train, data.y_train), (data.x_test, data.y_test))
        for image, label in zip(part, labels.tolist(), strict=True)
    }
    assert sums == {(int(image.astype(int).sum()), str(names[k] if strings else k)) for image, k in zip(x, y, strict=True)}


def test_mnist_is_read_as_it_is(shared_data):
    path = shared_data("mnist.npz")
    data = open_data(str(path))
    with np.load(path) as raw:
        np.testing.assert_allclose(data.x_test[:, 0].numpy(), raw["x_test"] / np.float32(255), rtol=1e-6)
        assert data.y_train.tolist() == raw["y_train"].tolist()
    assert data.x_train.shape == (60_000, 1, 28, 28)
