"""Whether what an index holds fits together: its hash may be right and its numbers still lead nowhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlcli.support.errors import InputError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.schema import list_of, mapping_of, number, optional, record

if TYPE_CHECKING:
    from dlcli.core.text.index_dir import StoredIndex

_ANY = np.iinfo(np.int64).max
_MOST = np.iinfo(np.int32).max
_NONE = (-1,)
"""A length that no array has."""
_LARGEST_COSINE = 1.01
"""Of vectors that were rounded to bfloat16 it may be above 1."""


def _any_text(value: Any) -> str:
    """A string; names of files need not be UTF-8."""
    return "" if isinstance(value, str) else "text"


_WORDS = ("column", "model", "mask", "within", "fold", "key", "device", "dtype")
_SETTINGS = record(
    {"vectors": _any_text, "threshold": number(0, 1)},
    {"candidates": optional(number(-1, 1)), **dict.fromkeys(_WORDS, optional(_any_text))},
)
_CARD = {
    "settings": _SETTINGS,
    "tables": list_of(list_of(_any_text, least=2, most=2)),
    "log": list_of(mapping_of(_any_text)),
}


def check_card(path: Path, card: Any, hint: str) -> None:
    """Raise InputError if the settings, tables or log of an index are missing or of another type."""
    check_metadata(card if isinstance(card, dict) else {}, path, _CARD, hint=hint)


def check_ends(path: Path, name: str, data: NDArray[np.uint8], ends: NDArray[np.int64], hint: str) -> None:
    """Raise InputError if texts stored one after the other do not end in order within their bytes.

    Args:
        path: The file, for messages.
        name: Name of the texts.
        data: The bytes of all texts, (b,).
        ends: Where each text ends, (n,).
        hint: What to do about it.
    """
    fits = data.ndim == ends.ndim == 1 and data.dtype == np.uint8 and ends.dtype.kind == "i"
    places = np.append(0, ends) if fits else np.array([-1])
    if np.any(np.diff(places) < 0) or places[-1] != len(data):
        raise _inconsistent(path, name, hint)


def check_first_rows(path: Path, n: int, hint: str, **columns: NDArray[Any]) -> None:
    """Raise InputError if an index of version 1 has other than one number, from 0 on, for each of its texts.

    Args:
        path: The file, for messages.
        n: Number of texts.
        hint: What to do about it.
        **columns: The table and the row of each text, and in how many rows it is, each (n,).
    """
    wrong = [name for name, column in columns.items() if column.shape != (n,) or column.dtype.kind != "i"]
    wrong = wrong or [name for name, column in columns.items() if not _within(column, _MOST)]
    if wrong:
        raise _inconsistent(path, ", ".join(wrong), hint)


def check_index(path: Path, index: "StoredIndex", hint: str) -> None:
    """Raise InputError if an array has another type or length than it should, or a number in it leads nowhere.

    Args:
        path: The file, for messages.
        index: What was read.
        hint: What to do about it.
    """
    # In this order, since each needs what the one before has found.
    for check in (_wrong_shapes, _wrong_numbers, _wrong_orders):
        if wrong := check(index):
            raise _inconsistent(path, ", ".join(wrong), hint)


def _wrong_shapes(index: "StoredIndex") -> list[str]:
    """The arrays of another type or length than their texts, rows or pairs."""
    listed, n = index.listed, len(index.keys)
    pairs, rows = (array.shape[:1] or _NONE for array in (index.pairs, listed.number))
    arrays: Mapping[str, tuple[NDArray[Any], str, tuple[int, ...]]] = {
        "unlisted": (index.unlisted, "i", (n,)),
        "group": (index.group, "i", (n,)),
        "pairs": (index.pairs, "i", (*pairs, 2)),
        "cosine": (index.cosine, "f", pairs),
        "probability": (index.probability, "f", pairs),
        "vectors": (index.vectors, "f", (n if index.vectors.size else 0, *(index.vectors.shape[1:2] or _NONE))),
        "table": (listed.table, "i", rows),
        "number": (listed.number, "i", rows),
        "spelling": (listed.spelling, "i", rows),
        "text": (listed.text, "i", (len(listed.spellings),)),
    }
    wrong = [name for name, (array, kind, shape) in arrays.items() if (array.dtype.kind, array.shape) != (kind, shape)]
    return wrong + (["keys of rows"] if listed.keys and (len(listed.keys),) != rows else [])


def _wrong_numbers(index: "StoredIndex") -> list[str]:
    """The arrays with a number that points outside, or that cannot be what it should be."""
    listed, n = index.listed, len(index.keys)
    limits: Mapping[str, tuple[NDArray[Any], int]] = {
        "group": (index.group, len(index.ids)),
        "pairs": (index.pairs, n),
        "table": (listed.table, len(index.tables)),
        "number": (listed.number, _ANY),
        "spelling": (listed.spelling, len(listed.spellings)),
        "text": (listed.text, n),
        "unlisted": (index.unlisted, _ANY),
    }
    wrong = [name for name, (array, below) in limits.items() if not _within(array, below)]
    wrong += ["probability"] if not np.all((index.probability >= 0) & (index.probability <= 1)) else []
    wrong += ["cosine"] if not np.all(np.abs(index.cosine) <= _LARGEST_COSINE) else []
    return wrong + (["vectors"] if not np.isfinite(index.vectors.sum(dtype=np.float64)) else [])


def _wrong_orders(index: "StoredIndex") -> list[str]:
    """What is not sorted, or holds twice or not at all what it should hold."""
    listed = index.listed
    checks = {
        "keys": all(a < b for a, b in zip(index.keys, index.keys[1:], strict=False)),
        "ids": all(index.ids) and len(set(index.ids)) == len(index.ids),
        "pairs": np.all(index.pairs[:, 0] < index.pairs[:, 1]) and _ascend(index.pairs[:, 0], index.pairs[:, 1]),
        "rows": _ascend(listed.table, listed.number),
        "spelling": len(listed.spellings) == 0 or np.bincount(listed.spelling, minlength=len(listed.spellings)).all(),
        "text": len(index.keys) == 0 or np.bincount(listed.text, minlength=len(index.keys)).all(),
    }
    return [name for name, holds in checks.items() if not holds]


def _within(array: NDArray[Any], below: int) -> bool:
    """Whether all numbers are from 0 on and below a limit."""
    return not array.size or bool(0 <= array.min() <= array.max() < below)


def _ascend(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether pairs (p,) and (p,) are sorted by the first number, then the second, and all differ."""
    same = first[1:] == first[:-1]
    return bool(np.all((first[1:] > first[:-1]) | (same & (second[1:] > second[:-1]))))


def _inconsistent(path: Path, what: str, hint: str) -> InputError:
    return InputError(
        f"{path}: damaged, its parts do not fit together ({what})", hint=f"copy it again from a backup, or {hint}"
    )
