"""`dlcli dedupe` at the shell."""

import sys
from typing import Any

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.dedupe import DedupeConfig, DedupeResult, PairColumnsResult
from dlcli.support.plural import count


def _adjust(values: dict[str, Any]) -> dict[str, Any]:
    """Without a table: a pipe or a redirected file is read, a person at a terminal sees the embedded sample."""
    if values["table"] is None and not sys.stdin.isatty():
        values["table"] = "-"
    return values


def _table(result: DedupeResult | PairColumnsResult) -> TerminalTable:
    if isinstance(result, PairColumnsResult):
        return _verdicts(result)
    title = f"The largest of {count(result.groups, 'group')} in {result.source}, column '{result.column}'"
    rows = tuple(
        (str(g.size), str(g.canonical_row), _short(g.canonical_text), _short(g.example_text), f"{g.example_score:.2f}")
        for g in result.largest
    )
    notes = ("Every row: -o FILE, or a pipe. Canonical rows only: --keep. Pairs: --pairs.",)
    return TerminalTable(title, ("size", "row", "canonical", "a member", "score"), rows, notes=notes)


def _verdicts(result: PairColumnsResult) -> TerminalTable:
    title = f"The surest of {count(result.rows_duplicate, 'duplicate')} in {result.source}, columns {_named(result)}"
    rows = tuple((str(pair.row), _short(pair.text_a), _short(pair.text_b), f"{pair.score:.2f}") for pair in result.surest)
    return TerminalTable(title, ("row", *result.columns, "score"), rows, notes=("Every row: -o FILE, or a pipe.",))


def _named(result: PairColumnsResult) -> str:
    return " and ".join(f"'{name}'" for name in result.columns)


def _short(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 60 else folded[:59] + "\u2026"


def _summary(result: DedupeResult | PairColumnsResult) -> str:
    worth = f", precision {result.precision} on held-out pairs" if result.precision else ""
    if isinstance(result, PairColumnsResult):
        return (
            f"{count(result.rows_read, 'pair')}, columns {_named(result)}: {result.rows_duplicate:,} duplicate, "
            f"{result.rows_different:,} different, {result.rows_empty:,} without text (threshold {result.threshold:g}{worth})"
        )
    recall = f", recall {result.recall}" if result.recall else ""
    looked_at = f"{count(result.candidates, 'pair')} by {result.vectors} from {result.candidates_from:g}{recall}"
    return (
        f"{count(result.rows_read, 'row')}, column '{result.column}': {result.rows_canonical:,} canonical, "
        f"{result.rows_exact:,} exact and {count(result.rows_near, 'near duplicate')} in {count(result.groups, 'group')}, "
        f"{result.rows_empty:,} without text ({looked_at}; threshold {result.threshold:g}{worth})"
    )


COMMAND = Command(
    name="dedupe",
    config=DedupeConfig,
    engine="dlcli.engines.dedupe",
    examples=(
        "dlcli dedupe questions.csv",
        "dlcli dedupe --keep questions.csv -o clean.csv",
        "dlcli dedupe questions.csv --model runs/questions --precision 0.9",
        "dlcli dedupe pairs.csv --pair-columns question1,question2",
        "cut -f2 tickets.tsv | dlcli dedupe --pairs | head",
    ),
    table=_table,
    summary=_summary,
    adjust=_adjust,
)
