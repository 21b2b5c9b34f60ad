"""The tables that `dlcli dedupe` gives back: every row with its group, or pairs, and the largest groups for people."""

from dataclasses import replace
from typing import Any

import numpy as np

from dlcli.core.text.distinct import Distinct
from dlcli.core.text.group_ids import group_id
from dlcli.core.text.ragged import compact_ids
from dlcli.core.text.scoring.explanation import explain_pairs, match_kinds
from dlcli.core.text.scoring.features import Rows, tokenize_texts, trigram_overlap
from dlcli.core.text.scoring.pair_score import built_in
from dlcli.engines.dedupe.stages import EarlierTexts, RowAssignments, ScoredPairs, TextColumn, added_columns, group_sizes
from dlcli.specs.dedupe import PAIR_COLUMNS, DuplicateGroup
from dlcli.support.tables import Table

_DIGITS = 4
_SHOWN = 10


def grouped_table(
    sheet: TextColumn,
    texts: Distinct,
    verdicts: RowAssignments,
    *,
    prefix: str,
    keep: bool,
    earlier: EarlierTexts | None = None,
) -> Table:
    """The rows in their order, each with its group; with `keep` only rows that are no duplicate of another."""
    columns = added_columns(prefix, earlier=earlier is not None)
    ids = earlier.ids if earlier else {}
    centres, place = compact_ids(len(texts), verdicts.centre)
    names = [ids.get(centre) or group_id(texts.keys[centre]) for centre in centres.tolist()]
    twice = np.flatnonzero(~verdicts.canonical)
    row, of = verdicts.rows[twice], verdicts.centre_row[twice]
    said = _explained(sheet.texts, texts, (row, verdicts.text[twice]), (of, verdicts.centre[twice]))
    numbers, *tables = earlier.places(of, sheet.table.name) if earlier else (of + 1,)
    canonical = np.ones(len(sheet.table.rows), bool)
    canonical[row] = False
    added = [
        _cells(len(canonical), verdicts.rows, np.array(names, object)[place[0]]),
        _cells(len(canonical), verdicts.rows, group_sizes(verdicts, earlier)[verdicts.centre]),
        canonical.tolist(),
        *(_cells(len(canonical), row, cells) for cells in (numbers, verdicts.score[twice].round(_DIGITS), *said, *tables)),
    ]
    grouped = sheet.table.extend(columns, zip(*added, strict=True))
    return grouped.take(np.flatnonzero(canonical).tolist()) if keep else grouped


def _cells(count: int, rows: Rows, values: Any) -> list[Any]:
    """A column of that many cells with values in some rows."""
    found = np.full(count, None, object)
    found[rows] = values
    return found.tolist()


def pairs_table(sheet: TextColumn, texts: Distinct, duplicates: ScoredPairs) -> Table:
    """Every pair of distinct texts that are duplicates, and each further row of a text with the row that stands for it.

    The most probable come first, then by row; the lower row number is `row_a`.
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
    turned = a > b
    a, b, a_text, b_text = *np.where(turned, (b, a), (a, b)), *np.where(turned, (b_text, a_text), (a_text, b_text))
    order = np.lexsort((b, a, -score))
    a, b = a[order], b[order]
    said = _explained(sheet.texts, texts, (a, a_text[order]), (b, b_text[order]))
    columns = (a, b, score[order], cosine[order])
    cells = [
        [i + 1, j + 1, *figures, sheet.table.rows[i][sheet.place], sheet.table.rows[j][sheet.place]]
        for i, j, *figures in zip(*(column.tolist() for column in columns), *said, strict=True)
    ]
    return replace(sheet.table, columns=list(PAIR_COLUMNS), rows=cells, origin=None, origin_columns=0, origin_rows=())


_Ends = tuple[Rows, Rows]
"""Row numbers, and the numbers of the texts that stand there."""


def _explained(row_texts: list[str], texts: Distinct, left: _Ends, right: _Ends) -> tuple[list[str], list[str]]:
    """For each pair of rows the kind of match, and the words that differ."""
    (rows_a, a), (rows_b, b) = left, right
    same_text = np.array([row_texts[i] == row_texts[j] for i, j in zip(rows_a.tolist(), rows_b.tolist(), strict=True)], bool)
    codes, place = np.unique(a.astype(np.int64) * len(texts) + b, return_inverse=True)
    first, second = np.divmod(codes, max(len(texts), 1))
    needed, (first, second) = compact_ids(len(texts), first, second)
    read = tokenize_texts([texts.texts[k] for k in needed], built_in().rarity)
    said = explain_pairs(read, first, second)
    return match_kinds(same_text, a == b, trigram_overlap(read, first, second)[place]), [said[k] for k in place.tolist()]


def largest_groups(
    sheet: TextColumn, verdicts: RowAssignments, earlier: EarlierTexts | None = None
) -> tuple[DuplicateGroup, ...]:
    """The largest groups with a duplicate, each with the member that is least like its canonical row."""
    sizes = group_sizes(verdicts, earlier)
    twice = ~verdicts.canonical
    centres, first = np.unique(verdicts.centre_row[twice], return_index=True)
    sizes = sizes[verdicts.centre[twice][first]]
    order = np.lexsort((centres, -sizes))[:_SHOWN]
    return tuple(_group(sheet, verdicts, int(centres[k]), int(sizes[k]), earlier) for k in order)


def _group(sheet: TextColumn, verdicts: RowAssignments, centre: int, size: int, earlier: EarlierTexts | None) -> DuplicateGroup:
    row_texts = sheet.texts
    members = np.flatnonzero((verdicts.centre_row == centre) & ~verdicts.canonical)
    example = members[np.argmin(verdicts.score[members])]
    return DuplicateGroup(
        size=size,
        canonical_row=earlier.places(np.array([centre]), sheet.table.name)[0][0] if earlier else centre + 1,
        canonical_text=row_texts[centre],
        example_text=row_texts[int(verdicts.rows[example])],
        example_score=round(float(verdicts.score[example]), _DIGITS),
    )
