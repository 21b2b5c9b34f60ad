"""The command `dlcli dedupe`: its tables and answers on a terminal."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from dlcli.cli.command import Command, TerminalTable
from dlcli.specs.dedupe import EARLIER_COLUMN, LABEL_COLUMNS, PAIR_COLUMNS, DedupeConfig, DedupeResult, PairColumnsResult
from dlcli.specs.dedupe_images import IMAGE_PAIR_COLUMNS, DedupeImagesResult
from dlcli.specs.dedupe_index import ForgetResult
from dlcli.specs.figures import percent
from dlcli.support.plural import count


def _adjust(values: dict[str, Any]) -> dict[str, Any]:
    """Read standard input if no table is given, unless it is a terminal, which gets the bundled sample; or forget only."""
    forgets = values["forget"] or values["forget_keys"]
    if values["table"] is None and not forgets and not sys.stdin.isatty():
        values["table"] = "-"
    return values


_Result = DedupeResult | PairColumnsResult | DedupeImagesResult | ForgetResult
_GROUPS_SHOWN = 4
_MEMBERS_SHOWN = 2
_PAIRS_SHOWN = 7
_PAIRS_KEPT = 10
_LONGEST = 60
_WHERE = "Every {}: -o FILE, or a pipe. Canonical {}s only: --keep. Pairs: --pairs."


def _table(result: _Result) -> TerminalTable:
    if isinstance(result, PairColumnsResult):
        return _pairs_table(result)
    if isinstance(result, DedupeImagesResult):
        return _images_table(result)
    if isinstance(result, ForgetResult):
        shown = tuple(tuple(map(str, row)) for row in result.table.rows)
        return TerminalTable(f"removed from {result.index}", tuple(result.table.columns), shown, answer=_answer(result))
    if _gives_pairs(result):
        return _found_pairs_table(result)
    if tuple(result.table.columns) == LABEL_COLUMNS:
        return _label_table(result)
    title = f"the largest groups in {result.source}, column '{result.column}'"
    members = _members(result)
    groups = []
    for group in result.largest:
        found = members.get(group.canonical_row) or [("", f"{group.example_score:.2f}", _shorten(group.example_text))]
        left = group.size - 1 - min(len(found), _MEMBERS_SHOWN)
        more = [("", "", f"and {count(left, 'more row')}")] if left > 0 else []
        groups.append([(str(group.canonical_row), "", _shorten(group.canonical_text)), *found[:_MEMBERS_SHOWN], *more])
    columns = ("row", "score", "canonical row, then its duplicates")
    notes = (_WHERE.format("row", "row"), _scored(result))
    return _grouped(TerminalTable(title, columns, (), notes=notes, answer=_answer(result)), groups)


def _gives_pairs(result: DedupeResult | DedupeImagesResult) -> bool:
    """Whether the rows of the table are the pairs, as with `pairs`."""
    return tuple(result.table.columns) in (PAIR_COLUMNS, IMAGE_PAIR_COLUMNS)


def _found_pairs_table(result: DedupeResult) -> TerminalTable:
    """The first pairs, one text below the other."""
    groups = []
    for row in result.table.rows[:_PAIRS_KEPT]:
        pair = dict(zip(result.table.columns, row, strict=True))
        first = (str(pair["row_a"]), f"{pair['score']:.2f}", _shorten(pair["text_a"]))
        groups.append([first, (str(pair["row_b"]), "", _shorten(pair["text_b"]))])
    title = f"pairs of {result.source}, column '{result.column}'"
    notes = (f"Every pair: -o FILE, or a pipe: {count(len(result.table.rows), 'pair')}.", _scored(result))
    columns = ("row", "score", "the two texts of a pair")
    return _grouped(TerminalTable(title, columns, (), notes=notes, answer=_answer(result)), groups, "more pair")


def _label_table(result: DedupeResult) -> TerminalTable:
    """The first pairs to label, one text below the other."""
    groups = []
    for row in result.table.rows[:_PAIRS_KEPT]:
        pair = dict(zip(result.table.columns, row, strict=True))
        groups.append([(f"{pair['score']:.2f}", _shorten(pair["question1"])), ("", _shorten(pair["question2"]))])
    pairs = count(len(result.table.rows), "pair")
    notes = (f"Every pair, to fill in is_duplicate: -o FILE, or a pipe: {pairs}.", _scored(result))
    title = f"pairs to label of {result.source}, column '{result.column}'"
    table = TerminalTable(title, ("score", "the two texts of a pair"), (), notes=notes, answer=_answer(result))
    return _grouped(table, groups, "more pair")


def _grouped(table: TerminalTable, groups: Sequence[Sequence[tuple[str, ...]]], rest: str = "more group") -> TerminalTable:
    """The table with the rows of groups, of which the first row is printed in bold; the others count as `rest`."""
    ends = list(accumulate(map(len, groups)))
    few = groups[:_GROUPS_SHOWN]
    return replace(
        table,
        rows=tuple(row for group in groups for row in group),
        strong=frozenset(end - len(group) for end, group in zip(ends, groups, strict=True)),
        most=sum(map(len, few)),
        rest=count(len(groups) - len(few), rest),
    )


def _members(result: DedupeResult) -> dict[int, list[tuple[str, str, str]]]:
    """The duplicates of the canonical rows that are shown: row number, score and text, the least alike first."""
    columns = result.table.columns
    added = next((k for k in reversed(range(len(columns))) if columns[k].endswith("duplicate_of")), None)
    if added is None or result.column not in columns or columns[-1].endswith(EARLIER_COLUMN):
        return {}
    text = columns.index(result.column)
    shown = {group.canonical_row for group in result.largest}
    found: dict[int, list[tuple[float, int, str]]] = {}
    for number, row in enumerate(result.table.rows, 1):
        if row[added] in shown:
            found.setdefault(row[added], []).append((row[added + 1], number, str(row[text])))
    return {
        canonical: [(str(number), f"{score:.2f}", _shorten(cell)) for score, number, cell in sorted(members)]
        for canonical, members in found.items()
    }


def _pairs_table(result: PairColumnsResult) -> TerminalTable:
    title = f"the most probable duplicates in {result.source}, columns {_column_names(result)}"
    rows = tuple(
        (str(pair.row), f"{pair.score:.2f}", _shorten(pair.text_a), _shorten(pair.text_b)) for pair in result.most_probable
    )
    columns = ("row", "score", *result.columns)
    notes = ("Every row: -o FILE, or a pipe.", _threshold(result))
    rest = f"{len(rows) - _PAIRS_SHOWN} more pairs"
    return TerminalTable(title, columns, rows, notes=notes, answer=_answer(result), most=_PAIRS_SHOWN, rest=rest)


def _images_table(result: DedupeImagesResult) -> TerminalTable:
    title = f"the largest groups in {result.source}"
    groups = []
    for group in result.largest:
        more = [("", f"and {count(group.size - 2, 'more file')}", "")] if group.size > 2 else []
        duplicate = (f"{group.example_score:.2f}", group.example, group.example_why)
        groups.append([("", group.canonical, ""), duplicate, *more])
    columns = ("score", "canonical file, then a duplicate", "why")
    written = "Every pair: -o FILE, or a pipe." if _gives_pairs(result) else _WHERE.format("file", "file")
    where = f"{written} Thumbnails: --review FILE.html."
    notes = (where, f"{count(result.candidates, 'candidate pair')} compared.")
    return _grouped(TerminalTable(title, columns, (), notes=notes, answer=_answer(result)), groups)


def _column_names(result: PairColumnsResult) -> str:
    return " and ".join(f"'{name}'" for name in result.columns)


def _shorten(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= _LONGEST else folded[: _LONGEST - 1] + "\u2026"


def _answer(result: _Result) -> str:
    if isinstance(result, DedupeImagesResult):
        return _images_answer(result)
    if isinstance(result, ForgetResult):
        return f"{result.index}: {count(result.rows_removed, 'row')} with text removed, {result.rows_left:,} left"
    if isinstance(result, PairColumnsResult):
        empty = f", {result.rows_empty:,} without text" if result.rows_empty else ""
        found = f"{count(result.rows_duplicate, 'duplicate')} among {count(result.rows_read, 'pair')}"
        return f"{found}; {result.rows_different:,} different{empty}{_precision(result)}"
    blank = f" or {result.within}" if result.within else ""
    canonical = f"{result.rows_canonical + result.rows_empty:,} canonical"
    empty = f", {result.rows_empty:,} of them without text{blank}" if result.rows_empty else ""
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in result.matches.items() if number)
    found = f"{count(sum(result.matches.values()), 'duplicate')} among {count(result.rows_read, 'row')}"
    grouped = f"{found} ({kinds}) in {count(result.groups, 'group')}" if kinds else found
    return f"{grouped}; {canonical}{empty}{_precision(result)}{_labelled_found(result)}"


def _precision(result: DedupeResult | PairColumnsResult) -> str:
    if result.precision is None:
        return ""
    at = f"from a probability of {result.threshold:g} on"
    return f"; precision {percent(result.precision, '%')} {result.precision_of}, {at}"


def _scored(result: DedupeResult) -> str:
    """How duplicates were searched for."""
    # The join is exact but for many dense vectors, of which it misses some.
    missed = result.recall if result.recall and result.recall.value < 1 else None
    recall = f", {percent(missed, '%')} of those there are" if missed else ""
    alike = f"candidates by {result.vectors}, cosine {result.candidates_from:g} or more{recall}"
    within = f" within '{result.within}'" if result.within else ""
    scored = f"Scored {count(result.candidates, 'pair')}{within}: {alike if result.candidates_from else 'all there are'}"
    return f"{scored}. {_threshold(result)}"


def _threshold(result: DedupeResult | PairColumnsResult) -> str:
    return f"Duplicates are pairs with a probability of {result.threshold:g} or more."


def _labelled_found(result: DedupeResult) -> str:
    if result.labelled_from is None:
        return ""
    precision = "" if result.precision else "; precision unknown, too few pairs are labelled"
    share = percent(result.labelled_found, "%") if result.labelled_found else ""
    found = f"; {share} of the duplicates from a probability of {result.labelled_from:g} on are found" if share else ""
    return precision + found


def _images_answer(result: DedupeImagesResult) -> str:
    unreadable = f", {result.files_unreadable:,} unreadable" if result.files_unreadable else ""
    duplicates = result.files_exact + result.files_pixels + result.files_near
    kinds = f"{result.files_exact:,} exact, {result.files_pixels:,} with equal pixels, {result.files_near:,} near"
    found = f"{count(duplicates, 'duplicate')} among {count(result.files, 'image')} in {result.source} ({kinds})"
    return f"{found} in {count(result.groups, 'group')}; {result.files_canonical:,} canonical{unreadable}"


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
    answer=_answer,
    rows=True,
    adjust=_adjust,
)
