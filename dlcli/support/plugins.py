"""Entries of registries that other installed packages bring, by entry points; found without importing anything.

importlib.metadata would take longer than the rest of `--help`, so the files that installers write are read directly.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PREFIX = "dlcli."
_METADATA = (".dist-info", ".egg-info")
_ENTRY = re.compile(r"^([a-z0-9]+(?:-[a-z0-9]+)*)\s*=\s*([\w.]+)\s*$")


@dataclass(frozen=True)
class Plugin:
    """An entry of a registry: its name, the module that it is, and the distribution that brings it."""

    name: str
    module: str
    distribution: str

    def source(self) -> Path | None:
        """The file of the module, found without importing its package; None if it is none that can be read."""
        parts = self.module.split(".")
        places = (Path(folder, *parts) for folder in sys.path)
        files = (file for place in places for file in (place.with_suffix(".py"), place / "__init__.py"))
        return next((file for file in files if file.is_file()), None)


def plugins(group: str) -> dict[str, Plugin]:
    """The plugins of a group such as `dlcli.attacks`, by name; of two with one name, that which is first on the path."""
    found: dict[str, Plugin] = {}
    for name, plugin in _scanned(tuple(sys.path)):
        if name == group:
            found.setdefault(plugin.name, plugin)
    return found


@cache
def _scanned(path: tuple[str, ...]) -> tuple[tuple[str, Plugin], ...]:
    """The groups and plugins of all packages on the path."""
    return tuple(found for folder in dict.fromkeys(path) for found in _of_folder(folder or "."))


def _of_folder(folder: str) -> Iterator[tuple[str, Plugin]]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_METADATA))
    except OSError:  # not there, or a zip archive
        return
    for name in names:
        try:
            with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        if f"[{_PREFIX}" in text:
            yield from _parsed(text, name.rpartition(".")[0].partition("-")[0])


def _parsed(text: str, distribution: str) -> Iterator[tuple[str, Plugin]]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        elif group.startswith(_PREFIX) and (entry := _ENTRY.match(line)):
            yield group, Plugin(entry[1], entry[2], distribution)
