"""Output files that are input files as well."""

from pathlib import Path

from dlcli.specs.dedupe import DedupeConfig
from dlcli.support.errors import UsageError
from dlcli.support.in_memory import InMemory

_ONLY_SOME = ("keep", "pairs", "label")
"""The options with which the output lacks rows of the table."""
_OTHER_INPUTS = ("against", "labelled", "forget_keys")
"""The other tables that are read, no row of which is in the output."""
_HINT = "write to another file"


def check_no_rows_lost(config: DedupeConfig) -> None:
    """Raise UsageError if a file that is written would replace an input file without having all its rows, or another output."""
    _check_skipped_rows(config)
    if config.output is None:
        return
    some = [f"`{name}`" for name in _ONLY_SOME if getattr(config, name)]
    if some and _same_file(config.table, config.output):
        message = f"`output`: {config.output} is the table itself, which would lose rows with {some[0]}"
        raise UsageError(message, hint=_HINT)
    for name in _OTHER_INPUTS:
        if _same_file(getattr(config, name), config.output):
            raise UsageError(f"`output`: {config.output} is the table of `{name}`, which would be lost", hint=_HINT)


def _check_skipped_rows(config: DedupeConfig) -> None:
    if config.skip_bad is None:
        return
    for name in ("table", *_OTHER_INPUTS):
        if _same_file(getattr(config, name), config.skip_bad):
            raise UsageError(f"`skip_bad`: {config.skip_bad} is the file of `{name}`, which would be lost", hint=_HINT)
    if config.output is not None and config.output.resolve() == config.skip_bad.resolve():
        raise UsageError(f"`skip_bad`: {config.skip_bad} is the `output` too, which would replace it", hint=_HINT)


def _same_file(source: str | Path | None, output: Path) -> bool:
    if source is None or isinstance(source, InMemory):
        return False
    path = Path(source)
    return path.is_file() and output.is_file() and path.samefile(output)
