"""Output files that are input files as well, or another output."""

from itertools import combinations
from pathlib import Path
from typing import Any

from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.option import declared
from dlcli.support.errors import UsageError
from dlcli.support.in_memory import InMemory

_ONLY_SOME = ("keep", "pairs", "label")
"""The options with which the output lacks rows of the table."""
_FOLDERS = ("index",)
"""The outputs that are no files."""
_HINT = "write to another file"


def check_no_rows_lost(config: DedupeConfig) -> None:
    """Raise UsageError if a file that is written would replace an input file without having all its rows, or another output."""
    fields = list(declared(config))
    inputs = {item.name: getattr(config, item.name) for item, details in fields if details.reads}
    written = {item.name: getattr(config, item.name) for item, details in fields if details.writes}
    outputs = {name: path for name, path in written.items() if path is not None and name not in _FOLDERS}
    for name, path in outputs.items():
        for other, source in inputs.items():
            if _same_file(source, path):
                _check_has_all(config, name, path, other)
    for (one, path), (other, place) in combinations(outputs.items(), 2):
        if _is_regular(path) and path.resolve() == place.resolve():
            raise UsageError(f"`{one}`: {path} is the `{other}` too, which would replace it", hint=_HINT)


def _check_has_all(config: DedupeConfig, name: str, path: Path, source: str) -> None:
    """Refuse that the output `name` replaces the input `source`, unless it is the table with more columns."""
    if name != "output" or source != "table":
        raise UsageError(f"`{name}`: {path} is the file of `{source}`, which would be lost", hint=_HINT)
    some = [f"`{option}`" for option in _ONLY_SOME if getattr(config, option)]
    if some:
        raise UsageError(f"`output`: {path} is the table itself, which would lose rows with {some[0]}", hint=_HINT)


def _same_file(source: Any, output: Path) -> bool:
    if source is None or isinstance(source, InMemory):
        return False
    path = Path(source)
    return path.is_file() and output.is_file() and path.samefile(output)


def _is_regular(path: Path) -> bool:
    """Whether a path is that of a file that is or will be there, and no device or pipe, which several may write to."""
    return path.is_file() or not path.exists()
