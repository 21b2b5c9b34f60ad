"""The cache folder, the only place where dlcli writes files that were not named as an output."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$XDG_CACHE_HOME/dlcli`, or `~/.cache/dlcli` (XDG base directory specification: relative values are ignored)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "dlcli"
