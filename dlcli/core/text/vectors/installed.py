"""Find models and optional packages that are installed on this machine, without importing, running or downloading anything."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from dlcli.support.errors import MissingExtraError


def model_folders(argument: str) -> list[Path]:
    """The folder `argument`, or the folders of the installed package of this name; empty if there is neither.

    A package is found by its import name, `some_model`, and by its distribution name, `some-model`.
    """
    if argument and Path(argument).is_dir():
        return [Path(argument)]
    for name in dict.fromkeys((argument, re.sub(r"[-.]+", "_", argument), re.sub(r"[-.]+", "_", argument.lower()))):
        found = _package(name)
        if found:
            return found
    return []


def _package(name: str) -> list[Path]:
    try:
        spec = find_spec(name) if name.isidentifier() else None
    except ValueError:  # a module without a spec, such as __main__
        spec = None
    return [Path(place) for place in (spec and spec.submodule_search_locations) or ()]


def first_match(roots: list[Path], *patterns: str) -> Path | None:
    """Match the glob patterns below `roots` in order; of the first that matches, the path that sorts last, or None."""
    for pattern in patterns:
        found = [path for root in roots for path in sorted(root.glob(pattern))]
        if found:
            return found[-1]
    return None


def require(module: str, kind: str, extra: str) -> None:
    """Raise MissingExtraError if `module`, which the extra `extra` installs and vectors of this kind need, is missing."""
    if find_spec(module) is None:
        raise MissingExtraError(f"`vectors={kind}`", extra)


@contextmanager
def quiet_loggers(*loggers: str) -> Iterator[None]:
    """Silence warnings of these third-party loggers inside the block."""
    before = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
