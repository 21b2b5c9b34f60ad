"""Read what torch.save wrote without running anything that the file names."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from dlcli.support.errors import InputError

_HINT = "save it again with torch.save(model.state_dict(), path)"
_SHOWN = 3


class Inert:
    """Stands for an object beside the weights: it can be called, built and given any state, and keeps nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> "Inert":
        """Ignore all arguments."""
        return object.__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _mapping(*args: object) -> dict[object, object]:
    """Stands for a defaultdict, whose entries are read as those of a plain mapping."""
    return {}


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_HARMLESS = (
    *("argparse.Namespace", "types.SimpleNamespace"),
    *(f"{module}.{name}" for module in ("pathlib", "pathlib._local") for name in _PATHS),
    *("numpy.dtype", "numpy.ndarray"),
    *(f"{module}.{name}" for module in _MULTIARRAY for name in ("scalar", "_reconstruct")),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(f"builtins.{name}" for name in ("dict", "list", "int", "float")),
)
"""What training scripts save beside the weights. None of it is built: each name is an `Inert` object when it is read."""

# Not the classes themselves: what a file passes to them would run, in numpy's C code too, and nothing of it is needed.
_ALLOWED: list[Any] = [*((Inert, name) for name in _HARMLESS), (_mapping, "collections.defaultdict")]


def read_torch_file(path: Path) -> Any:
    """The object that torch.save wrote to a file, tensors on the CPU.

    Tensors, containers and numbers are read; options, paths, dates and numpy's numbers and arrays become `Inert`. Anything else
    is refused, since a plain pickle may call any function while it is loaded.

    Raises:
        InputError: If the file holds anything else, or is damaged.
    """
    try:
        with warnings.catch_warnings(action="ignore"), safe_globals(_ALLOWED):  # what is odd, the errors below describe
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        held = _refused(path)
        message = f"{path}: refused, it holds more than tensors{held}, and loading it could run code"
        raise InputError(message, hint=_HINT) from None
    except Exception as error:  # torch raises many kinds for damaged files
        why = "is empty" if not path.stat().st_size else "not a whole torch file"
        raise InputError(
            f"{path}: {why}", hint="copy it again, or save it with torch.save(model.state_dict(), path)"
        ) from error


def _refused(path: Path) -> str:
    """The names in the file that are not allowed, for a message; empty if they cannot be listed."""
    try:
        names = set(get_unsafe_globals_in_checkpoint(path)) - {name for _, name in _ALLOWED}
    except Exception:  # as above; older formats have no list
        return ""
    shown = sorted(names)[:_SHOWN]
    return f" ({', '.join(shown)}{', ...' if len(names) > _SHOWN else ''})" if shown else ""
