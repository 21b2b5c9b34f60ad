"""The command `dlcli dedupe`: its tables and summaries on a terminal."""

import sys
from typing import Any

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.dedupe import DedupeConfig, DedupeResult, PairColumnsResult
from dlcli.specs.dedupe_images import DedupeImagesResult
from dlcli.specs.dedupe_index import ForgetResult
from dlcli.support.plural import count


def _adjust(values: dict[str, Any]) -> dict[str, Any]:
    """Read standard input if no table is given, unless it is a terminal, which gets the bundled sample; or forget only."""
    forgets = values["forget"] or values["forget_keys"]
    if values["table"] is None and not forgets and not sys.stdin.isatty():
        values["table"] = "-"
    return values


def _table(result: DedupeResult | PairColumnsResult | DedupeImagesResult | ForgetResult) -> TerminalTable:
    if isinstance(result, PairColumnsResult):
        return _pairs_table(result)
    if isinstance(result, DedupeImagesResult):
        return _images_table(result)
    if isinstance(result, ForgetResult):
        shown = tuple(tuple(map(str, row)) for row in result.table.rows)
        return TerminalTable(f"Removed from {result.index}", tuple(result.table.columns), shown)
    title = f"The largest of {count(result.groups, 'group')} in {result.source}, column '{result.column}'"
    rows = tuple(
        (str(g.size), str(g.canonical_row), _shorten(g.canonical_text), _shorten(g.example_text), f"{g.example_score:.2f}")
        for g in result.largest
    )
    notes = ("Every row: -o FILE, or a pipe. Canonical rows only: --keep. Pairs: --pairs.",)
    return TerminalTable(title, ("size", "row", "canonical", "a member", "score"), rows, notes=notes)


def _pairs_table(result: PairColumnsResult) -> TerminalTable:
    title = (
        f"The most probable of {count(result.rows_duplicate, 'duplicate')} in {result.source}, columns {_column_names(result)}"
    )
    rows = tuple(
        (str(pair.row), _shorten(pair.text_a), _shorten(pair.text_b), f"{pair.score:.2f}") for pair in result.most_probable
    )
    return TerminalTable(title, ("row", *result.columns, "score"), rows, notes=("Every row: -o FILE, or a pipe.",))


def _images_table(result: DedupeImagesResult) -> TerminalTable:
    title = f"The largest of {count(result.groups, 'group')} in {result.source}"
    rows = tuple((str(g.size), g.canonical, g.example, f"{g.example_score:.2f}", g.example_why) for g in result.largest)
    notes = ("Every file: -o FILE, or a pipe. Canonical files only: --keep. Pairs: --pairs. Thumbnails: --review FILE.html.",)
    return TerminalTable(title, ("size", "canonical", "a member", "score", "why"), rows, notes=notes)


def _column_names(result: PairColumnsResult) -> str:
    return " and ".join(f"'{name}'" for name in result.columns)


def _shorten(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 60 else folded[:59] + "\u2026"


def _summary(result: DedupeResult | PairColumnsResult | DedupeImagesResult | ForgetResult) -> str:
    if isinstance(result, DedupeImagesResult):
        return _images_summary(result)
    if isinstance(result, ForgetResult):
        return f"{result.index}: {count(result.rows_removed, 'row')} with text removed, {result.rows_left:,} left"
    precision = f", precision {result.precision} {result.precision_of}" if result.precision else ""
    threshold = f"duplicates from a probability of {result.threshold:g} on{precision}{_labelled_found(result)}"
    if isinstance(result, PairColumnsResult):
        return (
            f"{count(result.rows_read, 'pair')}, columns {_column_names(result)}: {result.rows_duplicate:,} duplicate, "
            f"{result.rows_different:,} different, {result.rows_empty:,} without text ({threshold})"
        )
    # The join is exact but for many dense vectors, of which it misses some.
    recall = f", {result.recall} of those there are" if result.recall and result.recall.value < 1 else ""
    alike = f"the most alike, {result.vectors} cosine {result.candidates_from:g} or more{recall}"
    candidates = f"scored {count(result.candidates, 'pair')}, {alike if result.candidates_from else 'all there are'}"
    masked = f", {result.rows_masked:,} equal once masked" if result.rows_masked else ""
    kinds = f"{result.rows_exact:,} exact{masked} and {count(result.rows_near, 'near duplicate')}"
    within, blank = (f" within '{result.within}'", f" or {result.within}") if result.within else ("", "")
    return (
        f"{count(result.rows_read, 'row')}, column '{result.column}'{within}: {result.rows_canonical:,} canonical, "
        f"{kinds} in {count(result.groups, 'group')}, "
        f"{result.rows_empty:,} without text{blank} ({candidates}; {threshold})"
    )


def _labelled_found(result: DedupeResult | PairColumnsResult) -> str:
    if isinstance(result, PairColumnsResult) or result.labelled_from is None:
        return ""
    precision = "" if result.precision else ", precision unknown, too few pairs are labelled"
    found = f", {result.labelled_found} of the duplicates from {result.labelled_from:g} on" if result.labelled_found else ""
    return precision + found


def _images_summary(result: DedupeImagesResult) -> str:
    unreadable = f", {result.files_unreadable:,} unreadable" if result.files_unreadable else ""
    counted = f"{count(result.files, 'image')} in {result.source}: {result.files_canonical:,} canonical"
    equal = f"{result.files_exact:,} exact, {result.files_pixels:,} with equal pixels"
    near = f"{count(result.files_near, 'near duplicate')}{unreadable}, in {count(result.groups, 'group')}"
    return f"{counted}, {equal}, {near} ({count(result.candidates, 'candidate pair')})"


COMMAND = Command(
    name="dedupe",
    config=DedupeConfig,
    engine="dlcli.engines.dedupe",
    examples=(
        "dlcli dedupe questions.csv",
        "dlcli dedupe --keep questions.csv -o clean.csv",
        "dlcli dedupe questions.csv --model runs/questions --precision 0.9",
        "dlcli dedupe photos/ --review photos.html -o photos.csv",
        "dlcli dedupe pairs.csv --pair-columns question1,question2",
        "cut -f2 tickets.tsv | dlcli dedupe --pairs | head",
    ),
    table=_table,
    summary=_summary,
    rows=True,
    adjust=_adjust,
)
