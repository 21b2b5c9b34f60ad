"""JSON metadata files (model.json, ensemble.json, ...) that describe the weights beside them."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlcli.support.errors import InputError
from dlcli.support.regular_file import check_regular
from dlcli.support.schema import Check, first_fault

LARGEST = 64 << 20
"""Bytes of the largest file of metadata."""


def decode_json(text: str | bytes, source: str, hint: str = "", *, finite: bool = False) -> Any:
    """Decode JSON.

    Args:
        text: The JSON.
        source: Where it is from, for the message.
        hint: What to do about it.
        finite: Whether NaN and infinity, which JSON itself does not have, are refused.

    Raises:
        InputError: If it is not JSON, nested too deeply, or has a name twice in an object, of which readers take either value.
    """
    try:
        return json.loads(text, object_pairs_hook=_each_name_once, parse_constant=_refused if finite else None)
    except RecursionError:
        raise InputError(f"{source}: not JSON that dlcli reads (nested too deeply)", hint=hint) from None
    except ValueError as error:
        raise InputError(f"{source}: not JSON ({str(error).splitlines()[0]})", hint=hint) from None


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is not a number of JSON")


def _each_name_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members; raises ValueError if two have one name."""
    found = dict(members)
    if len(found) < len(members):
        twice = next(name for name, times in Counter(name for name, _ in members).items() if times > 1)
        raise ValueError(f"the name {twice!r} stands twice in an object")
    return found


def read_json_metadata(path: Path, hint: str = "") -> dict[str, Any]:
    """The object in a JSON file; empty if the file holds another type.

    Raises InputError with `hint` if the file is not JSON, not a regular file or too large, and FileNotFoundError or
    NotADirectoryError if it does not exist.
    """
    check_regular(path)
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: {path.stat().st_size:,} bytes are too many for a file of metadata", hint=hint)
    found = decode_json(path.read_bytes(), str(path), hint)
    return found if isinstance(found, dict) else {}


def check_metadata(
    found: Mapping[str, Any],
    source: object,
    needed: Mapping[str, Check],
    more: Mapping[str, Check] | None = None,
    hint: str = "",
) -> None:
    """Check what a file of metadata holds against what was declared for its kind.

    Args:
        found: The decoded object.
        source: The file, for the message.
        needed: A check for each name that must be there.
        more: A check for each name that may be there.
        hint: What to do about it.

    Raises:
        InputError: If a value is missing or not as declared.
    """
    if wrong := first_fault(found, needed, more):
        raise InputError(f"{source}: {wrong}", hint=hint)
