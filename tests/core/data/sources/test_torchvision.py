"""Data sets by name: whose arrays become whose, and what is said without a network. Nothing here is downloaded."""

import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from dlcli.core.data import open_data
from dlcli.core.data.sources import torchvision as source
from dlcli.support.errors import MissingInputError, ResourceError


def _arrays(which, shape, classes):
    rng = np.random.default_rng(0 if which in (True, "train") else 1)
    return rng.integers(0, 256, shape).astype(np.uint8), np.arange(shape[0]) % classes


class _ByFlag:
    """As MNIST and CIFAR: a flag `train`, `data` and `targets`, `classes` with names."""

    classes = ("zero", "one")
    downloads, there = 0, False

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        type(self).downloads += download
        sys.stdout.write("Files already downloaded and verified\n")
        sys.stderr.write("100%|###\n")
        type(self).there |= download
        if not self.there:
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        data, targets = _arrays(train, (20, 5, 5, 3), 2)
        self.data, self.targets = data, targets.tolist()


class _BySplit:
    """As SVHN: a word `split`, `data` with channels first, and `labels`."""

    def __init__(self, root, split="train", transform=None, target_transform=None, download=False):
        self.data, self.labels = _arrays(split, (20, 3, 6, 6), 4)


@pytest.fixture
def fake(monkeypatch):
    kind = type("Fake", (_ByFlag,), {})
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", kind)
    monkeypatch.setattr(torchvision.datasets, "SVHN", _BySplit)
    return kind


def test_arrays_by_flag_with_the_names_of_classes(fake, listener, capsys, cache):
    data = open_data("cifar10", report=listener)
    assert (data.name, data.classes, data.x_train.shape) == ("cifar10", ("zero", "one"), (20, 3, 5, 5))
    expected = _arrays(False, (20, 5, 5, 3), 2)
    np.testing.assert_allclose(data.x_test.permute(0, 2, 3, 1).numpy(), expected[0] / 255, rtol=1e-6)
    assert data.y_test.tolist() == expected[1].tolist()
    assert listener.notes == [f"downloading cifar10 to {cache / 'datasets'}"]
    assert capsys.readouterr() == ("", "")


def test_what_is_there_is_not_fetched_again(fake, listener):
    open_data("cifar10")
    fetched = fake.downloads
    open_data("cifar10", report=listener)
    assert fake.downloads == fetched
    assert listener.notes == []


def test_arrays_by_split(fake):
    data = open_data("svhn", limit=8)
    assert (data.classes, data.x_train.shape) == (("0", "1", "2", "3"), (8, 3, 6, 6))


@pytest.mark.parametrize(
    "error",
    [URLError(OSError("Network is unreachable")), RuntimeError("Error downloading x\nmore"), TimeoutError("timed out")],
)
def test_offline_the_hint_names_alternatives(monkeypatch, error, cache):
    def offline(root, train=True, download=False):
        raise error if download else RuntimeError("Dataset not found")

    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    with pytest.raises(ResourceError, match="`data=mnist`: is not in .* and cannot be downloaded") as caught:
        open_data("mnist")
    assert ".npz" in caught.value.hint
    assert str(cache / "datasets") in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_cache_that_cannot_be_written_is_an_error(fake, cache):
    cache.write_text("in the way")
    with pytest.raises(ResourceError, match="`data=cifar10`: .*datasets cannot be used"):
        open_data("cifar10")


def test_every_name_is_a_class_of_torchvision_that_can_be_called_so():
    import inspect

    for name, kind in source.DATASETS.items():
        parameters = inspect.signature(getattr(torchvision.datasets, kind)).parameters
        assert source.claims(name)
        assert {"root", "download"} <= set(parameters)
        assert {"train", "split"} & set(parameters)


def test_a_name_stands_for_the_data_set_and_a_path_for_the_folder(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10").mkdir()
    assert open_data("cifar10").classes == ("zero", "one")
    with pytest.raises(Exception, match="has no folder in it"):
        open_data("./cifar10")
    with pytest.raises(MissingInputError):
        open_data("CIFAR10x")


def test_files_of_mnist_that_lie_in_the_cache_are_read(cache):
    """The peer is the format itself: idx files, big-endian heads, as Y. LeCun's page describes them."""
    folder = cache / "datasets" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28)).astype(np.uint8)
    for prefix in ("train", "t10k"):
        head = np.array([0x803, 10, 28, 28], dtype=">i4").tobytes()
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        labels = np.array([0x801, 10], dtype=">i4").tobytes() + bytes(range(10))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(labels)
    data = open_data("mnist")
    assert torch.equal(data.x_test[:, 0].mul(255).round().byte(), torch.from_numpy(images))
    assert data.y_train.tolist() == list(range(10))
    assert data.classes[3] == "3 - three"
