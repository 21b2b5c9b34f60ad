"""NumPy archives of the user: a .npz with x and y, or with x_train, y_train, x_test and y_test, and optionally more sets."""

import zipfile
from pathlib import Path

import numpy as np

from dlcli.core.data.arrays import LabelledArrays, from_train_and_test, with_held_out_test
from dlcli.core.data.base import EXTRA_SPLITS, LOAD_DEFAULTS, Array, ImageData, LoadOptions
from dlcli.core.data.metadata import columns, members, metadata_of
from dlcli.support.errors import DlcliError, InputError
from dlcli.support.memory import check_memory

DESCRIPTION = "FILE.npz with x and y, or x_train, y_train, x_test and y_test"

_UNSPLIT = ("x", "y")
_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_MORE = {name: (f"x_{name.replace('-', '_')}", f"y_{name.replace('-', '_')}") for name in EXTRA_SPLITS}
_TEST_SHARE = 1 / 5
_HINT = "numpy.savez(FILE, x=images, y=labels) writes one"


def claims(spec: str) -> bool:
    """Whether `spec` ends in .npz."""
    return spec.lower().endswith(".npz")


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the file's own split; of x and y a fixed fifth of each class becomes the test set.

    `from_train_and_test` describes the arrays; sets of EXTRA_SPLITS are loaded too. Other arrays with one value per label are
    metadata: NAME_test (or NAME) for y_test, NAME for y. Nothing is unpickled. Raises InputError if an array cannot be used.
    """
    arrays = _read(Path(spec))
    extra_splits = {name: _labelled(arrays, *keys) for name, keys in _MORE.items() if keys[0] in arrays}
    if "x" in arrays:
        return with_held_out_test(spec, _labelled(arrays, *_UNSPLIT), _TEST_SHARE, extra_splits)
    return from_train_and_test(spec, _labelled(arrays, *_SPLIT[:2]), _labelled(arrays, *_SPLIT[2:]), extra_splits)


def _labelled(arrays: dict[str, Array], x: str, y: str) -> LabelledArrays:
    return LabelledArrays(arrays[x], arrays[y], x, y, metadata_of(arrays, y))


def _read(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:  # opened here because NumPy leaves a damaged file open
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path}: is a single array, not a .npz archive", hint=_HINT)
            wanted = _wanted(path, archive.files)
            wanted += columns(archive, wanted)
            sizes = [members(archive).getinfo(f"{key}.npy").file_size for key in wanted]
            check_memory(sum(sizes), str(path))
            return {key: _array(path, archive, key) for key in wanted}
    except DlcliError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise InputError(f"{path}: is not a complete .npz archive ({str(error).partition(chr(10))[0]})", hint=_HINT) from None


def _wanted(path: Path, there: list[str]) -> list[str]:
    extra_splits = [key for keys in _MORE.values() if _has_both(path, there, *keys) for key in keys]
    for keys in (_SPLIT, _UNSPLIT):
        if set(keys) <= set(there):
            return [*keys, *extra_splits]
    has = ", ".join(there) or "no arrays"
    raise InputError(f"{path}: has {has}; needs {' and '.join(_UNSPLIT)}, or {', '.join(_SPLIT)}", hint=_HINT)


def _has_both(path: Path, there: list[str], x: str, y: str) -> bool:
    if (x in there) != (y in there):
        has, lacks = (x, y) if x in there else (y, x)
        raise InputError(f"{path}: has {has} but no {lacks}", hint=_HINT)
    return x in there


def _array(path: Path, archive: "np.lib.npyio.NpzFile", key: str) -> Array:
    try:
        found: Array = archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        message = f"{path}: '{key}' is an array of Python objects; these are refused because loading them could run code"
        raise InputError(message, hint="save it with a plain type, e.g. astype('uint8') or astype(str)") from None
    return found
