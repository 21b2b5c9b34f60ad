"""The data sets of torchvision that fit into memory, by name: downloaded once, then taken from the cache."""

import contextlib
import inspect
import io
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np

from dlcli.core.data.arrays import LabelledArrays, from_train_and_test
from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions
from dlcli.support.errors import DlcliError, ResourceError
from dlcli.support.lock import locked
from dlcli.support.paths import cache_dir

_CLASSES = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
    "stl10": "STL10",
    "usps": "USPS",
}
DESCRIPTION = f"torchvision's {', '.join(_CLASSES)}"

_PATIENCE_S = 30
_FAILURES = (RuntimeError, OSError, EOFError, ValueError)  # URLError is an OSError; RuntimeError is torchvision's own


def claims(spec: str) -> bool:
    """Whether `spec` is the name of a data set of torchvision."""
    return spec in _CLASSES


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """The data set's own training and test set; its files lie in the cache, in `datasets`, and are fetched if they do not.

    Raises ResourceError if they can be neither found nor fetched. Some are pickles, which torchvision opens only once their
    MD5 is the published one.
    """
    root = cache_dir() / "datasets"
    try:
        with locked(root / spec, wait=True), _patient():
            train, test = _found(spec, root) or _fetched(spec, root, options)
    except DlcliError:
        raise
    except OSError as error:
        raise ResourceError(f"--data {spec}: {root} cannot be used ({error.strerror or error})") from None
    data = from_train_and_test(spec, _labelled(train, "train"), _labelled(test, "test"))
    names = tuple(str(name) for name in getattr(train, "classes", ()))
    return replace(data, classes=names) if len(names) == len(data.classes) else data


def _found(spec: str, root: Path) -> tuple[Any, Any] | None:
    try:
        return _both(spec, root, download=False)
    except _FAILURES:  # whether files are missing or damaged, fetching them mends it
        return None


def _fetched(spec: str, root: Path, options: LoadOptions) -> tuple[Any, Any]:
    options.report.note(f"fetching {spec} into {root}")
    try:
        return _both(spec, root, download=True)
    except _FAILURES as error:
        reason = error.reason if isinstance(error, URLError) else error
        line = (str(reason).strip() or type(reason).__name__).partition("\n")[0].rstrip(":")
        hint = f"offline, give --data FILE.npz, or copy the files that torchvision makes for {_CLASSES[spec]} into {root}"
        raise ResourceError(f"--data {spec}: is not in {root} and cannot be downloaded ({line})", hint=hint) from None


def _both(spec: str, root: Path, *, download: bool) -> tuple[Any, Any]:
    import torchvision

    make = getattr(torchvision.datasets, _CLASSES[spec])
    by_flag = "train" in inspect.signature(make).parameters
    sets = ({"train": True}, {"train": False}) if by_flag else ({"split": "train"}, {"split": "test"})
    return make(str(root), download=download, **sets[0]), make(str(root), download=download, **sets[1])


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    """Give a silent server up after a while, and keep what torchvision prints to itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _labelled(found: Any, which: str) -> LabelledArrays:
    """A data set's arrays; torchvision calls the labels by two names."""
    labels = found.targets if hasattr(found, "targets") else found.labels
    return LabelledArrays(np.asarray(found.data), np.asarray(labels), f"{which} images", f"{which} labels")
