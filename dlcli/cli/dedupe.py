"""`dlcli dedupe` at the shell."""

import sys
from typing import Any

from dlcli.cli.command import Command, Sheet
from dlcli.specs.dedupe import DedupeConfig, DedupeResult
from dlcli.support.words import count


def _adjust(values: dict[str, Any]) -> dict[str, Any]:
    """Without a table: a pipe or a redirected file is read, a person at a terminal sees the embedded sample."""
    if values["table"] is None and not sys.stdin.isatty():
        values["table"] = "-"
    return values


def _sheet(result: DedupeResult) -> Sheet:
    title = f"The largest of {count(result.groups, 'group')} in {result.source}, column '{result.column}'"
    rows = tuple(
        (str(g.size), str(g.canonical_row), _short(g.canonical_text), _short(g.example_text), f"{g.example_score:.2f}")
        for g in result.largest
    )
    notes = ("Every row: -o FILE, or a pipe. Canonical rows only: --keep. Pairs: --pairs.",)
    return Sheet(title, ("size", "row", "canonical", "a member", "score"), rows, notes=notes)


def _short(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 60 else folded[:59] + "\u2026"


def _summary(result: DedupeResult) -> str:
    recall = f", recall {result.recall}" if result.recall else ""
    worth = f", precision {result.precision} on held-out pairs" if result.precision else ""
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
        "cut -f2 tickets.tsv | dlcli dedupe --pairs | head",
    ),
    sheet=_sheet,
    summary=_summary,
    adjust=_adjust,
)
