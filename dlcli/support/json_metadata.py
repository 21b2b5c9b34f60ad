"""JSON metadata files (model.json, ensemble.json, ...) that describe the weights beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlcli.support.errors import InputError
from dlcli.support.regular_file import check_regular
from dlcli.support.schema import Check, first_fault

LARGEST = 64 << 20
"""Bytes of the largest file of metadata."""


def decode_json(text: str | bytes, source: str, hint: str = "") -> Any:
    """Decode JSON.

    Args:
        text: The JSON.
        source: Where it is from, for the message.
        hint: What to do about it.

    Raises:
        InputError: If it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise InputError(f"{source}: not JSON that dlcli reads (nested too deeply)", hint=hint) from None
    except ValueError as error:
        raise InputError(f"{source}: not JSON ({str(error).splitlines()[0]})", hint=hint) from None


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
