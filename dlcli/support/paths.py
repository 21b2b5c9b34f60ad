"""Folders of the user: the cache, the only place where dlcli writes files that were not named as an output, and settings."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$XDG_CACHE_HOME/dlcli`, or `~/.cache/dlcli`."""
    return _user_folder("XDG_CACHE_HOME", ".cache")


def config_dir() -> Path:
    """`$XDG_CONFIG_HOME/dlcli`, or `~/.config/dlcli`."""
    return _user_folder("XDG_CONFIG_HOME", ".config")


def _user_folder(variable: str, usual: str) -> Path:
    """A folder by the XDG base directory specification, which ignores relative values."""
    base = os.environ.get(variable, "")
    return (Path(base) if os.path.isabs(base) else Path.home() / usual) / "dlcli"
