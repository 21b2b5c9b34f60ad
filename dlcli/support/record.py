"""The run record (run.json): command, configuration, inputs, environment and result."""

import json
import os
import platform
import sys
import time
from datetime import datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from dlcli import __version__
from dlcli.support.atomic import write_text
from dlcli.support.fingerprints import SEAL, code_sha256, file_sha256, files_in, path_sha256, seal
from dlcli.support.finish import last_steps

_NAMED = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "spacy")


def environment() -> dict[str, Any]:
    """Versions and machine that a result may depend on; only what the process has used: imported packages, and GPUs."""
    loaded = {"scikit-learn": "sklearn"}
    return {
        "dlcli": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in _NAMED if loaded.get(name, name) in sys.modules},
        **_cuda(),
    }


def _cuda() -> dict[str, Any]:
    """The GPUs and libraries of a process that has used CUDA, else nothing."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {"gpus": gpus, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


class Start(NamedTuple):
    """When a run began: the time in UTC, and `time.monotonic()`, which does not move when the clock is set."""

    time: datetime
    clock: float


def write_record(
    path: Path,
    *,
    command: str,
    arguments: list[str],
    config: dict[str, Any],
    inputs: list[Path],
    started: Start,
    result: dict[str, Any],
    status: int,
) -> None:
    """Write the record of a run atomically.

    Args:
        path: The file, `run.json` in the output folder.
        command: Name of the subcommand.
        arguments: Words of a command line after `dlcli` that gives the options of `config`.
        config: The configuration, in types that JSON has.
        inputs: Files and folders that were read; those that exist are recorded with their SHA-256.
        started: When the run began.
        result: The result, in types that JSON has.
        status: The exit status.
    """
    record = {
        "command": command,
        "arguments": arguments,
        "config": config,
        "directory": os.getcwd(),
        "inputs": {str(name): path_sha256(name) for name in inputs if name.exists()},
        "files": _written(path, started),
        "code": code_sha256(),
        "started": started.time.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started.clock, 3),
        "environment": environment(),
        "status": status,
        "result": result,
    }
    record[SEAL] = seal(record)
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _written(record: Path, started: Start) -> dict[str, str]:
    """The SHA-256 of each file beside the record that the run leaves, by its name; those from before are not of this run."""
    folder, coming = record.parent, last_steps()
    removed = {path for step in coming for path in step.removes}
    own = (path for path in files_in(folder) if path != record and path.stat().st_mtime >= started.time.timestamp() - 1)
    found = {path: file_sha256(path) for path in own if removed.isdisjoint((path, *path.parents))}
    found |= {path: sha256(text.encode()).hexdigest() for step in coming for path, text in step.writes.items()}
    return {path.relative_to(folder).as_posix(): digest for path, digest in sorted(found.items())}
