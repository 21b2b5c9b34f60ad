"""`.npz` archives of sequences: x (n, t) or (n, channels, t) and y, or the same for x_train, y_train, x_test and y_test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.core.data.base import Array
from dlcli.core.data.metadata import ARCHIVE_ERRORS
from dlcli.core.data.named_arrays import SETS
from dlcli.core.data.sequences.base import Floats, Found, SequenceOptions, Sequences
from dlcli.core.data.sequences.numbers import cut_padding
from dlcli.support.errors import InputError
from dlcli.support.in_memory import InMemory
from dlcli.support.memory import check_memory
from dlcli.support.plural import count

DESCRIPTION = "FILE.npz with x (n, t) or (n, channels, t) and y"
PRECEDENCE = 0

_HINT = "numpy.savez(FILE, x=sequences, y=labels) writes one, and lengths=... where they are padded"
_PADDED = (
    "write sequences that differ in length as one float array, with NaN after the end of shorter ones, or with lengths=..."
)
_LENGTHS = "lengths"


def claims(spec: str) -> bool:
    """Whether `spec` is a .npz whose arrays are no images: uint8 of three axes are, as those of four are."""
    if isinstance(spec, InMemory) or not spec.lower().endswith(".npz") or not Path(spec).is_file():
        return False
    return not any(_are_images(found) for key, found in _read(spec).items() if key in {keys[0] for keys in SETS.values()})


def _are_images(found: Array) -> bool:
    return found.ndim == 4 or (found.ndim == 3 and found.dtype == np.uint8)


def read(spec: str, options: SequenceOptions) -> Found:
    """Read the sets that the arrays name."""
    arrays = _read(spec)
    found = {key: _sequences(spec, arrays, *names) for key, names in SETS.items() if names[0] in arrays}
    if not found:
        has = ", ".join(arrays) or "no arrays"
        raise InputError(f"{spec}: has {has}; needs x and y, or x_train, y_train, x_test and y_test", hint=_HINT)
    return Found({"": _joined(list(found.values()))} if options.unlabelled and options.split is None else found)


def _joined(sets: list[Sequences]) -> Sequences:
    """The sequences of all sets, one after the other, without their labels."""
    places = [(one, k) for one in sets for k in range(len(one.values))]
    return Sequences([one.values[k] for one, k in places], None, where=lambda k: places[k][0].where(places[k][1]))


def _read(spec: str) -> dict[str, Array]:
    try:
        check_memory(Path(spec).stat().st_size, spec)
        with np.load(spec, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except ARCHIVE_ERRORS as error:
        reason = str(error).partition("\n")[0]
        hint = _PADDED if "Object arrays" in reason else _HINT
        raise InputError(f"{spec}: is not a complete .npz archive of plain arrays ({reason})", hint=hint) from None


def _sequences(spec: str, arrays: Mapping[str, Array], x: str, y: str) -> Sequences:
    values, labels = arrays[x], arrays.get(y)
    if values.dtype.kind not in "biuf" or values.ndim not in (2, 3):
        message = (
            f"{spec}: '{x}' is {values.dtype} of shape {tuple(values.shape)}; sequences are numbers (n, t) or (n, channels, t)"
        )
        raise InputError(message, hint=_HINT)
    values = values[:, None] if values.ndim == 2 else values
    if labels is not None and len(labels) != len(values):
        raise InputError(f"{spec}: '{x}' has {count(len(values), 'sequence')} but '{y}' has {count(len(labels), 'label')}")
    lengths = _lengths(spec, arrays, x, values)
    found = [cut_padding(_floats(one[:, :steps])) for one, steps in zip(values, lengths, strict=True)]
    metadata = {key: array.astype(object) for key, array in _columns(arrays, x, len(values)).items()}
    return Sequences(found, None if labels is None else _labels(spec, y, labels), metadata, lambda k: f"{x}[{k}]")


def _floats(values: Array) -> Floats:
    """Values as floats that hold them."""
    if np.can_cast(values.dtype, np.float32):
        return values.astype(np.float32, copy=False)
    return values.astype(np.float64, copy=False)


def _columns(arrays: Mapping[str, Array], x: str, n: int) -> dict[str, Array]:
    """Arrays about the n sequences of a set, by their names without its ending: `speaker_test` beside `x_test`."""
    end = x.removeprefix("x")
    ends = sorted((one for names in SETS.values() if (one := names[0].removeprefix("x"))), key=len, reverse=True)
    found = {}
    for key, array in arrays.items():
        mine = next((one for one in ends if key.endswith(one)), "")
        if mine == end and array.shape == (n,) and key[: len(key) - len(end)] not in ("x", "y", _LENGTHS):
            found[key[: len(key) - len(end)]] = array
    return found


def _lengths(spec: str, arrays: Mapping[str, Array], x: str, values: Array) -> list[int]:
    name = f"{_LENGTHS}{x.removeprefix('x')}"
    steps = values.shape[2]
    if name not in arrays:
        return [steps] * len(values)
    found: Any = arrays[name]
    if (
        found.dtype.kind not in "iu"
        or found.shape != (len(values),)
        or (len(found) and (found.min() < 0 or found.max() > steps))
    ):
        raise InputError(f"{spec}: '{name}' must be {len(values)} whole numbers from 0 to {steps}", hint=_HINT)
    lengths: list[int] = found.tolist()
    return lengths


def _labels(spec: str, name: str, labels: Array) -> list[str]:
    if labels.ndim != 1 or labels.dtype.kind not in "biuUS":
        message = f"{spec}: '{name}' is {labels.dtype} of shape {tuple(labels.shape)}; labels are integers or strings (n,)"
        raise InputError(message, hint="convert one-hot labels with argmax(1)" if labels.ndim == 2 else "")
    return [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in labels.tolist()]
