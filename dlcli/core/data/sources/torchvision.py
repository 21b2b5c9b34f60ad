"""Datasets of torchvision that fit into memory, by name: downloaded once, then loaded from the cache."""

import contextlib
import inspect
import io
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

import numpy as np

from dlcli.core.data.arrays import LabelledArrays, from_train_and_test
from dlcli.core.data.base import LOAD_DEFAULTS, ImageData, LoadOptions
from dlcli.specs.shared import DATASETS
from dlcli.support.errors import DlcliError, ResourceError
from dlcli.support.lock import locked
from dlcli.support.paths import cache_dir

DESCRIPTION = f"torchvision's {', '.join(DATASETS)}"

_TIMEOUT_S = 30
_ERRORS = (RuntimeError, OSError, EOFError, ValueError)  # URLError is an OSError; torchvision raises RuntimeError


class _Sets(NamedTuple):
    """Training and test set as objects of torchvision."""

    train: Any
    test: Any


def claims(spec: str) -> bool:
    """Whether `spec` is the name of a dataset of torchvision."""
    return spec in DATASETS


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the training and test set of a dataset from the folder `datasets` of the cache, downloading them if needed.

    Raises ResourceError if they are neither there nor can be downloaded. Some are pickles, which torchvision opens only after
    checking their published MD5.
    """
    root = cache_dir() / "datasets"
    try:
        with locked(root / spec, wait=True), _quiet_with_timeout():
            train, test = _cached(spec, root) or _downloaded(spec, root, options)
    except DlcliError:
        raise
    except OSError as error:
        raise ResourceError(f"`{options.option}={spec}`: {root} cannot be used ({error.strerror or error})") from None
    data = from_train_and_test(spec, _labelled(train, "train"), _labelled(test, "test"))
    names = tuple(str(name) for name in getattr(train, "classes", ()))
    return replace(data, classes=names) if len(names) == len(data.classes) else data


def _cached(spec: str, root: Path) -> _Sets | None:
    try:
        return _both(spec, root, download=False)
    except _ERRORS:  # missing or damaged: downloading helps in both cases
        return None


def _downloaded(spec: str, root: Path, options: LoadOptions) -> _Sets:
    options.report.note(f"downloading {spec} to {root}")
    try:
        return _both(spec, root, download=True)
    except _ERRORS as error:
        reason = error.reason if isinstance(error, URLError) else error
        line = (str(reason).strip() or type(reason).__name__).partition("\n")[0].rstrip(":")
        hint = (
            f"without a network, use `{options.option}=FILE.npz`, or copy the files of torchvision's {DATASETS[spec]} to {root}"
        )
        raise ResourceError(
            f"`{options.option}={spec}`: is not in {root} and cannot be downloaded ({line})", hint=hint
        ) from None


def _both(spec: str, root: Path, *, download: bool) -> _Sets:
    import torchvision

    make = getattr(torchvision.datasets, DATASETS[spec])
    by_flag = "train" in inspect.signature(make).parameters
    sets = ({"train": True}, {"train": False}) if by_flag else ({"split": "train"}, {"split": "test"})
    return _Sets(make(str(root), download=download, **sets[0]), make(str(root), download=download, **sets[1]))


@contextlib.contextmanager
def _quiet_with_timeout() -> Iterator[None]:
    """Set a timeout for servers that do not answer, and discard what torchvision prints."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _labelled(found: Any, which: str) -> LabelledArrays:
    """The arrays of a set; torchvision calls the labels `targets` or `labels`."""
    labels = found.targets if hasattr(found, "targets") else found.labels
    return LabelledArrays(np.asarray(found.data), np.asarray(labels), f"{which} images", f"{which} labels")
