"""What is installed here: folders of models, and optional packages. Nothing is imported, run or fetched to find out."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from dlcli.support.errors import MissingExtraError


def model_folders(argument: str) -> list[Path]:
    """The folder `argument`, or that of the installed package of this name; empty if there is neither.

    A package goes by the name under which it is imported, `some_model`, or by that of its distribution, `some-model`.
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
    """The last in order of name of what the first pattern with a match finds below `roots`."""
    for pattern in patterns:
        found = [path for root in roots for path in sorted(root.glob(pattern))]
        if found:
            return found[-1]
    return None


def require(module: str, kind: str, extra: str) -> None:
    """Raise MissingExtraError if `module`, which comes with `extra`, is not installed."""
    if find_spec(module) is None:
        raise MissingExtraError(f"--vectors {kind}", extra)


@contextmanager
def hushed(*loggers: str) -> Iterator[None]:
    """Keep the warnings of other people's packages from standard error inside the block."""
    before = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
