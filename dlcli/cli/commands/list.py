"""`dlcli list` at the shell."""

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.list import ListConfig, ListResult
from dlcli.support.plural import count


def _table(result: ListResult) -> TerminalTable:
    records = result.records()
    kinds = list(dict.fromkeys(record["kind"] for record in records))
    rows: list[tuple[str, ...]] = []
    strong = set()
    for kind in kinds:
        strong.add(len(rows))
        rows.append((kind, ""))
        rows += [(f"  {record['name']}", record["description"]) for record in records if record["kind"] == kind]
    return TerminalTable(
        "What there is to choose from", ("name", "what it is"), tuple(rows), frozenset(strong), answer=_answer(result)
    )


def _answer(result: ListResult) -> str:
    return count(len(result.table.rows), "choice")


COMMAND = Command(
    name="list",
    config=ListConfig,
    engine="dlcli.engines.list",
    examples=("dlcli list", "dlcli list attacks", "dlcli list models --format csv | cut -d, -f2"),
    table=_table,
    answer=_answer,
    rows=True,
)
