"""The output tables of `dlcli dedupe`: rows with their groups, or pairs; and the largest groups for the summary."""

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.cut_texts import chosen_texts
from dlcli.core.text.distinct import Distinct
from dlcli.core.text.group_ids import group_id
from dlcli.core.text.ragged import compact_ids
from dlcli.core.text.scoring.arrays import Rows
from dlcli.core.text.scoring.explanation import LEXICAL, explain_pairs, match_kinds
from dlcli.core.text.scoring.features import least_trigram_overlap, trigram_overlap
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.core.text.scoring.scored_pairs import ScoredPairs
from dlcli.core.text.scoring.tokenized_texts import tokenize_texts
from dlcli.core.text.stored_texts import TextCollector
from dlcli.core.text.strict import strict_keys
from dlcli.core.text.tokens import fold_all
from dlcli.engines.dedupe.stages import EarlierTexts, RowAssignments, TextColumn, added_columns, group_sizes
from dlcli.specs.dedupe import PAIR_COLUMNS, DuplicateGroup
from dlcli.support.in_parts import taken
from dlcli.support.tables import Table

_DIGITS = 4
_SHOWN = 10
_EXPLAINED = 1 << 16
"""Duplicates that are explained at a time."""
_ROUNDING = 1e-5
"""A lower bound of a feature this close to a limit leaves it open on which side the feature is."""


class Explanations(NamedTuple):
    """The cells of the columns match (the kind of match) and why (the words that differ)."""

    match: Sequence[str]
    why: Sequence[str]


def explain_duplicates(text_column: TextColumn, texts: Distinct, assignments: RowAssignments) -> Explanations:
    """What each duplicate has in common with its canonical row, in the order of the rows of `assignments`."""
    duplicate = np.flatnonzero(~assignments.is_canonical)
    match, why = list[str](), TextCollector()
    for start in range(0, len(duplicate), _EXPLAINED):
        some = duplicate[start : start + _EXPLAINED]
        left = _RowTexts(assignments.rows[some], assignments.text[some])
        right = _RowTexts(assignments.canonical_row[some], assignments.canonical_text[some])
        found = _explain_rows(text_column, texts, left, right)
        match += map(sys.intern, found.match)
        why.extend(found.why)
    return Explanations(match, why.texts())


def grouped_table(
    text_column: TextColumn,
    texts: Distinct,
    assignments: RowAssignments,
    reasons: Explanations,
    *,
    prefix: str,
    keep: bool,
    earlier: EarlierTexts | None = None,
) -> Table:
    """Add to each row its group and, for a duplicate, the row that it duplicates and why.

    Args:
        text_column: The table.
        texts: Its distinct texts.
        assignments: The groups of its rows.
        reasons: What `explain_duplicates` gives for them.
        prefix: Prefix of the names of the added columns.
        keep: Whether to return canonical rows only.
        earlier: Texts of earlier tables, if any take part.

    Returns:
        The rows in their order.
    """
    columns = added_columns(prefix, earlier=earlier is not None)
    cells = _AddedCells(text_column.table, texts, assignments, reasons, earlier)
    grouped = text_column.table.extend(columns, cells)
    if not keep:
        return grouped
    canonical = np.ones(len(text_column.table.rows), bool)
    canonical[assignments.rows[~assignments.is_canonical]] = False
    return grouped.take(array("q", np.flatnonzero(canonical).tolist()))


class _AddedCells:
    """The cells that are added to rows, made for some of them whenever these are read."""

    def __init__(
        self,
        table: Table,
        texts: Distinct,
        assignments: RowAssignments,
        reasons: Explanations,
        earlier: EarlierTexts | None,
    ) -> None:
        self._table, self._found, self._reasons, self._earlier = table.name, assignments, reasons, earlier
        self._canonical, self._names = _group_names(texts, assignments.canonical_text, earlier.ids if earlier else {})
        self._sizes = group_sizes(assignments, earlier)
        self._duplicate = np.flatnonzero(~assignments.is_canonical)

    def __call__(self, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        """The cells of the rows from `start` to `stop`."""
        found, count = self._found, stop - start
        first, last = np.searchsorted(found.rows, [start, stop])
        rows, groups = found.rows[first:last] - start, found.canonical_text[first:last]
        names = self._names[np.searchsorted(self._canonical, groups)].astype("U")
        one, other = np.searchsorted(self._duplicate, [first, last]).tolist()
        duplicate = self._duplicate[one:other]
        row, of = found.rows[duplicate] - start, found.canonical_row[duplicate]
        numbers, *tables = self._earlier.places(of, self._table) if self._earlier else (of + 1,)
        canonical = np.ones(count, bool)
        canonical[row] = False
        reasons = (part[one:other] for part in self._reasons)
        return zip(
            _cells(count, rows, names),
            _cells(count, rows, self._sizes[groups]),
            canonical.tolist(),
            *(_cells(count, row, cells) for cells in (numbers, found.score[duplicate].round(_DIGITS), *reasons, *tables)),
            strict=True,
        )


class _GroupNames(NamedTuple):
    """The numbers of the canonical texts, in order, and the id of the group of each, as bytes."""

    canonical: Rows
    names: NDArray[np.bytes_]


def _group_names(texts: Distinct, canonical_text: Rows, known: dict[int, str]) -> _GroupNames:
    used = np.zeros(len(texts), bool)
    used[canonical_text] = True
    parts = [np.empty(0, "S12")]  # 12 bytes each, of which a string of Python would need five times as many
    for start in range(0, len(texts), _EXPLAINED):
        ids = texts.ids[start : start + _EXPLAINED]
        some = np.flatnonzero(used[start : start + _EXPLAINED]).tolist()
        parts.append(np.array([known.get(start + k) or group_id(ids[k]) for k in some], "S"))
    return _GroupNames(np.flatnonzero(used), np.concatenate(parts))


def _cells(count: int, rows: Rows, values: Any) -> list[Any]:
    """A column of `count` cells with values in some rows and None in the others."""
    found = np.full(count, None, object)
    found[rows] = values
    return found.tolist()


def pairs_table(text_column: TextColumn, texts: Distinct, duplicates: ScoredPairs) -> Table:
    """Every pair of distinct texts that are duplicates, and each repeated row of a text with the first row of that text.

    The most probable pairs come first, then by row; `row_a` is the lower row number.
    """
    rows = np.flatnonzero(texts.of_row >= 0)
    further = rows[texts.row[texts.of_row[rows]] != rows]
    same = texts.of_row[further]
    a_text, b_text = (np.concatenate([same, ends]) for ends in (duplicates.pairs.first, duplicates.pairs.second))
    a, b = (
        np.concatenate([texts.row[same], texts.row[duplicates.pairs.first]]),
        np.append(further, texts.row[duplicates.pairs.second]),
    )
    parts = (duplicates.probability, duplicates.pairs.score)
    score, cosine = (np.append(np.ones(len(same)), part).astype(np.float64).round(_DIGITS) for part in parts)
    swapped = a > b
    a, b, a_text, b_text = *np.where(swapped, (b, a), (a, b)), *np.where(swapped, (b_text, a_text), (a_text, b_text))
    order = np.lexsort((b, a, -score))
    a, b = a[order], b[order]
    reasons = _explain_rows(text_column, texts, _RowTexts(a, a_text[order]), _RowTexts(b, b_text[order]))
    columns = (a, b, score[order], cosine[order])
    places = text_column.places
    shown = text_column.written if len(places) > 1 else [row[places[0]] for row in text_column.table.rows]
    cells = [
        [i + 1, j + 1, *figures, shown[i], shown[j]]
        for i, j, *figures in zip(*(column.tolist() for column in columns), *reasons, strict=True)
    ]
    return replace(text_column.table, columns=list(PAIR_COLUMNS), rows=cells, origin=None, origin_columns=0, origin_rows=())


class _RowTexts(NamedTuple):
    """Row numbers, and the number of the distinct text of each."""

    rows: Rows
    texts: Rows


def _explain_rows(text_column: TextColumn, texts: Distinct, left: _RowTexts, right: _RowTexts) -> Explanations:
    """Explain each pair of rows; a pair of texts that occurs in several rows is explained once."""
    (rows_a, a), (rows_b, b) = left, right
    written = _written(text_column)
    same_text = a == b  # as identical ones have, and few others
    sides = (_at(written, rows[same_text]) for rows in (rows_a, rows_b))
    same_text[same_text] = [one == other for one, other in zip(*sides, strict=True)]
    masked = equal_once_masked(text_column, rows_a, rows_b, a == b, strict=texts.strict)
    codes, place = np.unique(a.astype(np.int64) * len(texts) + b, return_inverse=True)
    first, second = np.divmod(codes, max(len(texts), 1))
    needed, (first, second) = compact_ids(len(texts), first, second)
    some = chosen_texts(texts.texts, needed)
    tokens = tokenize_texts(some, built_in().rarity)
    why = explain_pairs(tokens, first, second)
    overlap = least_trigram_overlap(tokens, first, second)
    unsure = np.flatnonzero(overlap < LEXICAL + _ROUNDING)
    overlap[unsure] = _trigram_overlap(some, first[unsure], second[unsure])
    kinds = match_kinds(same_text, (a == b) & ~masked, masked, overlap[place])
    return Explanations(kinds, [why[k] for k in place.tolist()])


def _trigram_overlap(texts: Sequence[str], first: Rows, second: Rows) -> NDArray[np.float32]:
    """The feature of pairs of a few of these texts."""
    needed, (first, second) = compact_ids(len(texts), first, second)
    return trigram_overlap(tokenize_texts(taken(texts, needed.tolist()), built_in().rarity), first, second)


def equal_once_masked(
    text_column: TextColumn, rows: Rows, others: Rows, equal: NDArray[np.bool_], *, strict: bool
) -> NDArray[np.bool_]:
    """Which pairs of rows are equal only once they are masked, (pairs,).

    Args:
        text_column: The table. Earlier rows are known as masked, so they are compared as such.
        rows: One row of each pair, (pairs,).
        others: The other row.
        equal: Whether the texts are equal after masking and folding.
        strict: Whether texts are folded to strict keys.

    Returns:
        A mask.
    """
    if not text_column.masked:
        return np.zeros(len(rows), bool)
    written = _written(text_column)
    places = np.flatnonzero(equal)
    fold = strict_keys if strict else fold_all
    sides = (fold(_at(written, side[places])) for side in (rows, others))
    found = np.zeros(len(rows), bool)
    found[places] = [one != other for one, other in zip(*sides, strict=True)]
    return found


def _at(texts: Sequence[str], rows: Rows) -> list[str]:
    """The texts of some rows, in any order."""
    distinct, place = np.unique(rows, return_inverse=True)
    found = taken(texts, distinct.tolist())
    return [found[k] for k in place.tolist()]


def _written(text_column: TextColumn) -> Sequence[str]:
    """The text of each row before masking; earlier rows are known as masked."""
    written, texts = text_column.written, text_column.texts
    return written if len(written) == len(texts) else [*written, *texts[len(written) :]]


def largest_groups(
    text_column: TextColumn, assignments: RowAssignments, earlier: EarlierTexts | None = None
) -> tuple[DuplicateGroup, ...]:
    """The largest groups with a duplicate, each with its member of the lowest score."""
    sizes = group_sizes(assignments, earlier)
    duplicate = ~assignments.is_canonical
    canonical_rows, first = np.unique(assignments.canonical_row[duplicate], return_index=True)
    sizes = sizes[assignments.canonical_text[duplicate][first]]
    order = np.lexsort((canonical_rows, -sizes))[:_SHOWN]
    return tuple(_group(text_column, assignments, int(canonical_rows[k]), int(sizes[k]), earlier) for k in order)


def _group(
    text_column: TextColumn, assignments: RowAssignments, canonical_row: int, size: int, earlier: EarlierTexts | None
) -> DuplicateGroup:
    row_texts = _written(text_column)
    members = np.flatnonzero((assignments.canonical_row == canonical_row) & ~assignments.is_canonical)
    example = members[np.argmin(assignments.score[members])]
    return DuplicateGroup(
        size=size,
        canonical_row=earlier.places(np.array([canonical_row]), text_column.table.name)[0][0] if earlier else canonical_row + 1,
        canonical_text=row_texts[canonical_row],
        example_text=row_texts[int(assignments.rows[example])],
        example_score=round(float(assignments.score[example]), _DIGITS),
    )
