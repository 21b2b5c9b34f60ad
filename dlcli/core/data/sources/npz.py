"""NumPy archives of the user: a .npz with x and y, or with x_train, y_train, x_test and y_test, and optionally more sets."""

from pathlib import Path

import numpy as np

from dlcli.core.data.base import LOAD_DEFAULTS, Array, ImageData, LoadOptions
from dlcli.core.data.metadata import ARCHIVE_ERRORS, columns, members, shape_of
from dlcli.core.data.named_arrays import SETS, from_named_arrays, images_and_labels
from dlcli.core.data.votes import HISTOGRAM, LEVELS
from dlcli.support.errors import DlcliError, InputError, MissingInputError
from dlcli.support.memory import check_memory

DESCRIPTION = "FILE.npz with x and y, or x_train, y_train, x_test and y_test"

MASKS = True
_IMAGE_AXES = (3, 4)
_HINT = "numpy.savez(FILE, x=images, y=labels) writes one"


def claims(spec: str) -> bool:
    """Whether `spec` ends in .npz, or in .npy, a single array, which can be predicted only."""
    return spec.lower().endswith((".npz", ".npy"))


def load(spec: str, options: LoadOptions = LOAD_DEFAULTS) -> ImageData:
    """Load the file's own split, see `from_named_arrays`; unpickles nothing. Raises InputError if an array cannot be used."""
    return from_named_arrays(spec, _read(Path(spec), options), options)


def _read(path: Path, options: LoadOptions) -> dict[str, Array]:
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:  # opened here because NumPy leaves a damaged file open
            check_memory(path.stat().st_size if path.suffix.lower() == ".npy" else 0, str(path))
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                if options.unlabelled:
                    return {"x": archive}
                raise InputError(f"{path}: is a single array, not a .npz archive", hint=_HINT)
            wanted = _to_predict(path, archive) if options.unlabelled else images_and_labels(str(path), archive.files, _HINT)
            wanted += [] if options.unlabelled else columns(archive, wanted)
            wanted += [LEVELS] if LEVELS in archive.files and options.raters == HISTOGRAM and LEVELS not in wanted else []
            sizes = [members(archive).getinfo(f"{key}.npy").file_size for key in wanted]
            check_memory(sum(sizes), str(path))
            return {key: _array(path, archive, key) for key in wanted}
    except DlcliError:
        raise
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: is not a complete .npz archive ({str(error).partition(chr(10))[0]})", hint=_HINT) from None


def _to_predict(path: Path, archive: "np.lib.npyio.NpzFile") -> list[str]:
    """The arrays of images of all sets and those of their labels; or the only array that can hold images."""
    pairs = [keys for keys in SETS.values() if keys[0] in archive.files]
    found = [key for keys in pairs for key in keys if key in archive.files]
    images = [key for key in archive.files if len(shape_of(archive, key)) in _IMAGE_AXES]
    if found or len(images) == 1:
        return found or images
    has = ", ".join(archive.files) or "no arrays"
    names = ", ".join(keys[0] for keys in SETS.values())
    raise InputError(f"{path}: has {has}; images are looked for in {names}, or the only array of images", hint=_HINT)


def _array(path: Path, archive: "np.lib.npyio.NpzFile", key: str) -> Array:
    try:
        found: Array = archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        message = f"{path}: '{key}' is an array of Python objects; these are refused because loading them could run code"
        raise InputError(message, hint="save it with a plain type, e.g. astype('uint8') or astype(str)") from None
    return found
