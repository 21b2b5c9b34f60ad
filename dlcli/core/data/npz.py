"""Arrays of the user's own: a .npz with x and y, or with x_train, y_train, x_test and y_test."""

import zipfile
from pathlib import Path

import numpy as np

from dlcli.core.data.base import Array, ImageData, Labelled, split_given, split_off
from dlcli.support.errors import InputError

MEANS = "FILE.npz with arrays x and y, or x_train, y_train, x_test and y_test"

_WHOLE = ("x", "y")
_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_TEST_SHARE = 1 / 5
_HINT = "numpy.savez(FILE, x=images, y=labels) writes one"


def claims(spec: str) -> bool:
    """Whether `spec` ends in .npz."""
    return spec.lower().endswith(".npz")


def load(spec: str) -> ImageData:
    """The file's own split, or of x and y a fixed fifth of each class as the test set.

    See `base.split_given` for what the arrays may be. Raises InputError, and never unpickles.
    """
    arrays = _read(Path(spec))
    if "x" in arrays:
        return split_off(spec, Labelled(arrays["x"], arrays["y"]), _TEST_SHARE)
    x_train, y_train, x_test, y_test = (arrays[key] for key in _SPLIT)
    return split_given(spec, Labelled(x_train, y_train, *_SPLIT[:2]), Labelled(x_test, y_test, *_SPLIT[2:]))


def _read(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:  # opened here, because numpy leaves a damaged one open
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path}: a single array, not a .npz archive", hint=_HINT)
            return {key: _array(path, archive, key) for key in _wanted(path, archive.files)}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a whole .npz archive ({str(error).partition(chr(10))[0]})", hint=_HINT) from None


def _wanted(path: Path, there: list[str]) -> tuple[str, ...]:
    for keys in (_SPLIT, _WHOLE):
        if set(keys) <= set(there):
            return keys
    has = ", ".join(there) or "no arrays"
    raise InputError(f"{path}: has {has}; needs {' and '.join(_WHOLE)}, or {', '.join(_SPLIT)}", hint=_HINT)


def _array(path: Path, archive: "np.lib.npyio.NpzFile", key: str) -> Array:
    try:
        found: Array = archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        message = f"{path}: '{key}' is an array of Python objects, which is refused: loading it could run code"
        raise InputError(message, hint="save it with a plain type, e.g. astype('uint8') or astype(str)") from None
    return found
