"""Whether what an index holds fits together: its hash may be right and its numbers still lead nowhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlcli.support.errors import InputError
from dlcli.support.json_metadata import check_metadata
from dlcli.support.schema import list_of, mapping_of

if TYPE_CHECKING:
    from dlcli.core.text.index_dir import StoredIndex


def _any_text(value: Any) -> str:
    """A string; names of files need not be UTF-8."""
    return "" if isinstance(value, str) else "text"


_CARD = {
    "settings": mapping_of(lambda value: ""),
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
    places = np.concatenate([[0], ends])
    if data.ndim != 1 or ends.ndim != 1 or np.any(np.diff(places) < 0) or places[-1] != len(data):
        raise _inconsistent(path, name, hint)


def check_index(path: Path, index: "StoredIndex", hint: str) -> None:
    """Raise InputError if an array has another length than its texts, rows or pairs, or a number points outside.

    Args:
        path: The file, for messages.
        index: What was read.
        hint: What to do about it.
    """
    n, p, listed = len(index.keys), len(index.pairs), index.listed
    lengths: Mapping[str, tuple[Any, tuple[int, ...]]] = {
        "unlisted": (index.unlisted, (n,)),
        "group": (index.group, (n,)),
        "pairs": (index.pairs, (p, 2)),
        "cosine": (index.cosine, (p,)),
        "probability": (index.probability, (p,)),
        "table": (listed.table, (len(listed.number),)),
        "spelling": (listed.spelling, (len(listed.number),)),
        "text": (listed.text, (len(listed.spellings),)),
    }
    wrong = [name for name, (array, shape) in lengths.items() if array.shape != shape]
    wrong += ["vectors"] if index.vectors.ndim != 2 or len(index.vectors) not in (0, n) else []
    wrong += ["keys"] if any(a >= b for a, b in zip(index.keys, index.keys[1:], strict=False)) else []
    wrong += ["keys of rows"] if listed.keys and len(listed.keys) != len(listed.number) else []
    if not wrong:
        limits: Mapping[str, tuple[Any, int]] = {
            "group": (index.group, len(index.ids)),
            "pairs": (index.pairs, n),
            "table": (listed.table, len(index.tables)),
            "number": (listed.number, np.iinfo(np.int64).max),
            "spelling": (listed.spelling, len(listed.spellings)),
            "text": (listed.text, n),
            "unlisted": (index.unlisted, np.iinfo(np.int64).max),
        }
        wrong = [name for name, (array, below) in limits.items() if array.size and not 0 <= array.min() <= array.max() < below]
        wrong += ["probability"] if not np.all((index.probability >= 0) & (index.probability <= 1)) else []
    if wrong:
        raise _inconsistent(path, ", ".join(wrong), hint)


def _inconsistent(path: Path, what: str, hint: str) -> InputError:
    return InputError(
        f"{path}: damaged, its parts do not fit together ({what})", hint=f"copy it again from a backup, or {hint}"
    )
