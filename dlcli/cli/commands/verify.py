"""`dlcli verify` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.verify import Verdict, VerifyConfig, VerifyResult
from dlcli.support.plural import count

_LONGEST = 30


def _table(result: VerifyResult) -> TerminalTable:
    rows = tuple((one.what, one.verdict.value, _short(one.claimed), _short(one.found)) for one in result.checks)
    strong = frozenset(k for k, one in enumerate(result.checks) if one.verdict is Verdict.REFUSED)
    title = f"{result.folder}, a run of dlcli {result.of_command}"
    return TerminalTable(title, ("claim", "verdict", "claimed", "found"), rows, strong, result.notes, _answer(result))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _answer(result: VerifyResult) -> str:
    bad = result.refused
    if bad:
        return f"{result.folder}: refused, {count(len(bad), 'claim')} of {len(result.checks)} not as recorded: {bad[0].what}"
    return f"{result.folder}: all claims hold, {len(result.checks)} checked; {result.repeated}"


COMMAND = Command(
    name="verify",
    config=VerifyConfig,
    engine="dlcli.engines.verify",
    examples=("dlcli verify runs/digits", "dlcli verify report --seed 7", "dlcli verify report --format json"),
    table=_table,
    answer=_answer,
)
