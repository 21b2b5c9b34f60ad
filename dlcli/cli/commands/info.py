"""`dlcli info` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.info import InfoConfig, InfoResult
from dlcli.support.plural import count

_MEGABYTE = 1e6
_ELSEWHERE = (
    "pip is that of the environment of dlcli. With pipx: `pipx inject dlcli-kit PACKAGE`; with uv: "
    "`uv tool install . --with PACKAGE`."
)


def _table(result: InfoResult) -> TerminalTable:
    rows = [("dlcli", result.dlcli), ("python", result.python), ("platform", result.platform)]
    rows += [(name, version or "not installed") for name, version in result.versions.items()]
    rows += [("device", result.device), ("threads", str(result.threads)), ("training precision", result.training_dtype)]
    rows += [(f"extra {one.name}", f"missing: {one.install}" if one.missing else "installed") for one in result.extras]
    rows += [
        (f"cache {one.name}", f"{one.bytes / _MEGABYTE:,.1f} MB, {count(one.files, 'file')}, {one.path}")
        for one in result.cache
    ]
    notes = (_ELSEWHERE,) if any(one.missing for one in result.extras) else ()
    return TerminalTable("What dlcli finds on this machine", ("", ""), tuple(rows), notes=notes, answer=_answer(result))


def _answer(result: InfoResult) -> str:
    missing = sum(bool(one.missing) for one in result.extras)
    return f"dlcli {result.dlcli} on {result.device}; {missing} of {len(result.extras)} extras not installed"


COMMAND = Command(
    name="info",
    config=InfoConfig,
    engine="dlcli.engines.info",
    examples=("dlcli info", "dlcli info --format json > bug-report.json"),
    table=_table,
    answer=_answer,
)
