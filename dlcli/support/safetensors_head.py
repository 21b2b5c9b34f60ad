"""The head of a safetensors file, which the library does not write the same each time."""

import json
from pathlib import Path


def sort_metadata(path: Path) -> None:
    """Write the metadata in a safetensors file in the order of its keys, which the library leaves to chance."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        # The same characters in another order, so the tensors stay where they are.
        written = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(written) <= size:
            file.seek(8)
            file.write(written.ljust(size))
