"""NumPy archives of the user: a .npz with x and y, or with x_train, y_train, x_test and y_test, and optionally more sets."""

from pathlib import Path

import numpy as np

from dlcli.core.data.arrays import LabelledArrays, all_images, from_train_and_test, with_held_out_test
from dlcli.core.data.base import EXTRA_SPLITS, LOAD_DEFAULTS, Array, ImageData, LoadOptions
from dlcli.core.data.metadata import ARCHIVE_ERRORS, columns, members, metadata_of, shape_of
from dlcli.support.errors import DlcliError, InputError
from dlcli.support.memory import check_memory

DESCRIPTION = "FILE.npz with x and y, or x_train, y_train, x_test and y_test"

_UNSPLIT = ("x", "y")
_SPLIT = ("x_train", "y_train", "x_test", "y_test")
_MORE = {name: (f"x_{name.replace('-', '_')}", f"y_{name.replace('-', '_')}") for name in EXTRA_SPLITS}
_SETS = {"": _UNSPLIT, "train": _SPLIT[:2], "test": _SPLIT[2:], **_MORE}
_IMAGE_AXES = (3, 4)
_TEST_SHARE = 1 / 5
_HINT = "numpy.savez(FILE, x=images, y=labels) writes one"


def claims(spec: str) -> bool:
    """Whether `spec` ends in .npz, or in .npy, a single array, which can be predicted only."""
    return spec.lower().endswith((".npz", ".npy"))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the file's own split; of x and y a fixed fifth of each class becomes the test set.

    `from_train_and_test` describes the arrays; sets of EXTRA_SPLITS are loaded too. Other arrays with one value per label are
    metadata: NAME_test (or NAME) for y_test, NAME for y. Nothing is unpickled. With `options.unlabelled` the test set is
    all images, or those of `options.split`. Raises InputError if an array cannot be used.
    """
    arrays = _read(Path(spec), options)
    if options.unlabelled and (options.split is None or not _has_sets(arrays)):
        return _every_image(spec, arrays, options)
    extra_splits = {name: _labelled(arrays, *keys) for name, keys in _MORE.items() if set(keys) <= set(arrays)}
    if "x" in arrays:
        return with_held_out_test(spec, _labelled(arrays, *_UNSPLIT), _TEST_SHARE, extra_splits)
    return from_train_and_test(spec, _labelled(arrays, *_SPLIT[:2]), _labelled(arrays, *_SPLIT[2:]), extra_splits)


def _labelled(arrays: dict[str, Array], x: str, y: str) -> LabelledArrays:
    return LabelledArrays(arrays[x], arrays[y], x, y, metadata_of(arrays, y))


def _has_sets(arrays: dict[str, Array]) -> bool:
    """Whether there are images with labels, from which `load` can make the sets."""
    return any(set(keys) <= set(arrays) for keys in (_SPLIT, _UNSPLIT))


def _every_image(spec: str, arrays: dict[str, Array], options: LoadOptions) -> ImageData:
    """The images of all sets one after the other, or of the one that is asked for, with their labels where all have some."""
    names = {keys[0]: name for name, keys in _SETS.items() if keys[0] in arrays}
    if options.split is not None:
        names = {key: name for key, name in names.items() if name == options.split}
        if not names:
            raise InputError(f"{spec}: has no split '{options.split}'", hint=f"it has {', '.join(arrays)}")
    images = {key: arrays[key] for key in names} if names else arrays  # else the one array of images
    labels = [arrays.get(_SETS[names[key]][1]) if key in names else None for key in images]
    if len(images) > 1:
        ends = np.cumsum([len(found) for found in images.values()])
        rows = [f"{names[key]} to row {end - 1:,}" for key, end in zip(images, ends, strict=True)]
        options.report.note(f"{spec}: the rows are those of {', '.join(rows)}; `split` predicts one of these sets")
    return all_images(spec, images, labels)


def _read(path: Path, options: LoadOptions) -> dict[str, Array]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:  # opened here because NumPy leaves a damaged file open
            check_memory(path.stat().st_size if path.suffix.lower() == ".npy" else 0, str(path))
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                if options.unlabelled:
                    return {"x": archive}
                raise InputError(f"{path}: is a single array, not a .npz archive", hint=_HINT)
            wanted = _to_predict(path, archive) if options.unlabelled else _wanted(path, archive.files)
            wanted += [] if options.unlabelled else columns(archive, wanted)
            sizes = [members(archive).getinfo(f"{key}.npy").file_size for key in wanted]
            check_memory(sum(sizes), str(path))
            return {key: _array(path, archive, key) for key in wanted}
    except DlcliError:
        raise
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: is not a complete .npz archive ({str(error).partition(chr(10))[0]})", hint=_HINT) from None


def _wanted(path: Path, there: list[str]) -> list[str]:
    extra_splits = [key for keys in _MORE.values() if _has_both(path, there, *keys) for key in keys]
    for keys in (_SPLIT, _UNSPLIT):
        if set(keys) <= set(there):
            return [*keys, *extra_splits]
    has = ", ".join(there) or "no arrays"
    raise InputError(f"{path}: has {has}; needs {' and '.join(_UNSPLIT)}, or {', '.join(_SPLIT)}", hint=_HINT)


def _to_predict(path: Path, archive: "np.lib.npyio.NpzFile") -> list[str]:
    """The arrays of images of all sets and those of their labels; or the only array that can hold images."""
    pairs = [keys for keys in _SETS.values() if keys[0] in archive.files]
    found = [key for keys in pairs for key in keys if key in archive.files]
    images = [key for key in archive.files if len(shape_of(archive, key)) in _IMAGE_AXES]
    if found or len(images) == 1:
        return found or images
    has = ", ".join(archive.files) or "no arrays"
    names = ", ".join(keys[0] for keys in _SETS.values())
    raise InputError(f"{path}: has {has}; images are looked for in {names}, or the only array of images", hint=_HINT)


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
