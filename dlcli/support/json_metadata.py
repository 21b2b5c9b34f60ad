"""JSON metadata files (model.json, ensemble.json, ...) that describe the weights beside them."""

import json
from pathlib import Path
from typing import Any

from dlcli.support.errors import InputError


def read_json_metadata(path: Path, hint: str = "") -> dict[str, Any]:
    """The object in a JSON file; empty if the file holds another type.

    Raises InputError with `hint` if the file is not JSON, and FileNotFoundError or NotADirectoryError if it does not exist.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({str(error).splitlines()[0]})", hint=hint) from None
    return found if isinstance(found, dict) else {}
