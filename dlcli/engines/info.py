"""What is installed, where networks run, and what is kept between runs: the engine of `dlcli info`."""

import platform
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from dlcli import __version__
from dlcli.core.compute.device import choose_device, describe_device, fast_dtype
from dlcli.specs.info import CachePlace, Extra, InfoConfig, InfoResult
from dlcli.support.errors import install_command
from dlcli.support.paths import cache_dir
from dlcli.support.reporter import SILENT, Reporter

_DISTRIBUTION = "dlcli-kit"
_REQUIREMENT = re.compile(r"^(?P<name>[\w.-]+)[^;]*(?:;(?P<marker>.*))?$")
_EXTRA = re.compile(r"extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")
_FOR_DEVELOPERS = "dev"


def run(config: InfoConfig, *, report: Reporter = SILENT) -> InfoResult:
    """Look up versions, the device, extras and the cache. Raises the kinds of `dlcli.support.errors`."""
    import torch

    device = choose_device(config.device)
    required = list(_requirements())
    return InfoResult(
        dlcli=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        versions={name: _version(name) for name, extra in required if not extra},
        device=describe_device(device),
        threads=torch.get_num_threads(),
        training_dtype=str(fast_dtype(device)).removeprefix("torch."),
        extras=tuple(_extras(required)),
        cache=tuple(_places(cache_dir())),
    )


def plan(config: InfoConfig) -> list[str]:
    """What `run` would do."""
    return ["look up versions, the device, the extras and the cache"]


def _requirements() -> Iterator[tuple[str, str]]:
    """Name of each distribution that dlcli may use, and the extra that brings it, "" for none."""
    for line in metadata.requires(_DISTRIBUTION) or []:
        found = _REQUIREMENT.match(line)
        if found and found["name"] != _DISTRIBUTION:
            extra = _EXTRA.search(found["marker"] or "")
            yield found["name"], extra["extra"] if extra else ""


def _version(name: str) -> str:
    """The version of a distribution, "" if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _extras(required: list[tuple[str, str]]) -> Iterator[Extra]:
    for extra in sorted({extra for _, extra in required} - {"", _FOR_DEVELOPERS}):
        packages = tuple(name for name, of in required if of == extra)
        missing = tuple(name for name in packages if not _version(name))
        yield Extra(name=extra, packages=packages, missing=missing, install=install_command(extra))


def _places(folder: Path) -> Iterator[CachePlace]:
    """Each folder of the cache with what it holds; links are not followed."""
    inside = sorted(place for place in folder.iterdir() if place.is_dir()) if folder.is_dir() else []
    for place in inside or [folder]:
        files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
        yield CachePlace(name=place.name, path=str(place), files=len(files), bytes=sum(path.stat().st_size for path in files))
