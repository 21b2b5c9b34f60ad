"""The tables that `dlcli dedupe` gives back: every row with its group, or pairs, and the largest groups for people."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.features import Rows, pair_features, read_texts
from dlcli.core.text.neighbours import Pairs
from dlcli.core.text.pair_score import built_in
from dlcli.core.text.why import match_kinds, why
from dlcli.specs.dedupe import ADDED_COLUMNS, PAIR_COLUMNS, Group
from dlcli.support.errors import InputError
from dlcli.support.tables import Table, cell_text

_DIGITS = 4
_SHOWN = 10


@dataclass(frozen=True)
class Verdicts:
    """What was found of each row with text; arrays are parallel to `rows`, row numbers count from 0.

    `first` is the first row with the same key, `centre` the canonical row of the row's group, `score` their likeness, `equal`
    whether their keys are equal, `canonical` whether it is that row itself; `keys` holds the key of each canonical row.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    centre: NDArray[np.int64]
    score: NDArray[np.float32]
    equal: NDArray[np.bool_]
    canonical: NDArray[np.bool_]
    keys: dict[int, str]


def added_names(prefix: str) -> list[str]:
    """The columns that are added to a table."""
    return [prefix + name for name in ADDED_COLUMNS]


def without_added(table: Table, prefix: str) -> tuple[Table, bool]:
    """The table without the columns of an earlier run, and whether it had them.

    They count as such if the table ends in exactly these; any other column of such a name raises InputError.
    """
    names = added_names(prefix)
    again = table.columns[-len(names) :] == names and len(table.columns) > len(names)
    table = table.without(len(names)) if again else table
    for name in names:
        if name in table.columns:
            hint = f"pass --prefix dedupe_ to add dedupe_{name.removeprefix(prefix)} and so on"
            raise InputError(f"{table.name}: has a column '{name}', which dedupe adds", hint=hint)
    return table, again


def grouped_table(table: Table, verdicts: Verdicts, *, prefix: str, keep: bool) -> Table:
    """The rows in their order, each with its group; with `keep` only rows that are no duplicate of another."""
    added: list[list[Any]] = [[None, True, None, None] for _ in table.rows]
    names = {row: hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12] for row, key in verdicts.keys.items()}
    columns = (verdicts.rows, verdicts.centre, verdicts.score, verdicts.canonical)
    for row, centre, score, canonical in zip(*(column.tolist() for column in columns), strict=True):
        added[row] = [names[centre], canonical, *((None, None) if canonical else (centre + 1, round(score, _DIGITS)))]
    grouped = table.extend(added_names(prefix), added)
    return grouped.take([k for k, cells in enumerate(added) if cells[1]]) if keep else grouped


def pairs_table(table: Table, place: int, verdicts: Verdicts, pairs: Pairs, first_row: NDArray[np.int64]) -> Table:
    """Every pair of distinct texts at or above the threshold, and each further row of a text with its first; best first."""
    further = verdicts.first != verdicts.rows
    left = np.concatenate([verdicts.first[further], first_row[pairs.first]])
    right = np.concatenate([verdicts.rows[further], first_row[pairs.second]])
    score = np.concatenate([np.ones(further.sum()), pairs.score.astype(np.float64)]).round(_DIGITS)
    order = np.lexsort((right, left, -score))
    left, right, score = left[order], right[order], score[order]
    judged = zip(left, right, score, *_told(table, place, left, right), strict=True)
    rows = [
        [int(a) + 1, int(b) + 1, float(s), p, kind, said, table.rows[a][place], table.rows[b][place]]
        for a, b, s, p, kind, said in judged
    ]
    return replace(table, columns=list(PAIR_COLUMNS), rows=rows, origin=None, origin_columns=0, origin_rows=())


def _told(table: Table, place: int, left: Rows, right: Rows) -> tuple[list[float], list[str], list[str]]:
    """For each pair of rows the probability that they ask the same, the kind of match, and the words that differ."""
    rows = np.unique(np.concatenate([left, right]))
    texts = [cell_text(table.rows[row][place]) for row in rows]
    first, second = np.searchsorted(rows, left), np.searchsorted(rows, right)
    scorer = built_in()
    found = pair_features(read_texts(texts, scorer.rarity), first, second)
    pairs = [(texts[a], texts[b]) for a, b in zip(first, second, strict=True)]
    kinds = match_kinds(pairs, found)
    equal = np.array([kind in ("exact", "folded") for kind in kinds], dtype=bool)
    probability = np.where(equal, 1.0, scorer.probability(found)).round(_DIGITS)
    return probability.tolist(), kinds, [why(a, b) for a, b in pairs]


def largest_groups(texts: list[str], verdicts: Verdicts) -> tuple[Group, ...]:
    """The largest groups of two rows or more, each with the member that is least like its canonical row."""
    centres, sizes = np.unique(verdicts.centre, return_counts=True)
    order = [k for k in np.lexsort((centres, -sizes))[:_SHOWN] if sizes[k] > 1]
    return tuple(_group(texts, verdicts, int(centres[k]), int(sizes[k])) for k in order)


def _group(texts: list[str], verdicts: Verdicts, centre: int, size: int) -> Group:
    members = np.flatnonzero((verdicts.centre == centre) & ~verdicts.canonical)
    example = members[np.argmin(verdicts.score[members])]
    return Group(
        size=size,
        canonical_row=centre + 1,
        canonical_text=texts[centre],
        example_text=texts[int(verdicts.rows[example])],
        example_score=round(float(verdicts.score[example]), _DIGITS),
    )
