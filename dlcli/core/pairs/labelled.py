"""Labelled pairs of texts: a table with two text columns and a label of 0 or 1, and its split by question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from dlcli.core.text.ragged import integer_encode
from dlcli.core.text.table_input import open_table
from dlcli.core.text.tokens import fold_all
from dlcli.support.errors import InputError
from dlcli.support.tables import Table, cell_text

SHARES = (0.7, 0.15, 0.15)
"""What the training, dev and test part have of the components."""
TEXTS = (
    ("question1", "question2"),
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("a", "b"),
)
"""Names by which the two text columns are known, best first; case and blanks around them do not matter."""
LABELS = ("is_duplicate", "duplicate", "label", "is_paraphrase", "quality")
LEAST = 20
"""Fewer pairs than this are not split or judged."""
_TRUE, _FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")
_HINT = "labels are 1 for a duplicate and 0 for none"


@dataclass(frozen=True)
class Labelled:
    """Pairs of `texts` by number, whether they are duplicates, and the component of the pair graph that each pair is in.

    `first`, `second`, `duplicate` and `component` are (pairs,). Pairs hang together if a chain of pairs leads from one to
    the other in which neighbours share a text, after folding.
    """

    texts: list[str]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    duplicate: NDArray[np.bool_]
    component: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.duplicate)

    def take(self, rows: NDArray[Any]) -> "Labelled":
        """Some of the pairs, by a mask or by number, with only the texts that they need."""
        needed, numbers = np.unique(np.concatenate([self.first[rows], self.second[rows]]), return_inverse=True)
        first, second = np.split(numbers, 2)
        return Labelled([self.texts[k] for k in needed], first, second, self.duplicate[rows], self.component[rows])


def make_labelled(pairs: Sequence[tuple[str, str]], duplicate: Sequence[bool]) -> Labelled:
    """Labelled pairs of texts as they stand, with their components found."""
    in_order, texts = integer_encode(pairs)
    first, second = in_order.flat.reshape(-1, 2).T
    question = np.unique(fold_all(texts), return_inverse=True)[1]
    edges = sp.coo_array((np.ones(len(pairs)), (question[first], question[second])), shape=(len(texts), len(texts)))
    component = connected_components(edges, directed=False)[1][question[first]].astype(np.int64)
    return Labelled(texts, first, second, np.array(duplicate, bool), component)


def read_labelled(source: str, columns: Sequence[str] = ()) -> Labelled:
    """The labelled pairs of a table, csv, tsv, jsonl or parquet, plain or .gz.

    `columns` names the two text columns and the label; without it they are found by name. Raises InputError naming file, row
    and column: no such column, a label other than 0 and 1, an empty text, fewer than `LEAST` pairs, only one of both labels.
    """
    table = _open(source)
    places = find_columns(table, columns)
    first, second = ([_text(table, row, place) for row in range(len(table.rows))] for place in places[:2])
    duplicate = [_label(table, row, places[2]) for row in range(len(table.rows))]
    if len(duplicate) < LEAST:
        raise InputError(f"{table.name}: {len(duplicate)} labelled pairs are too few", hint=f"at least {LEAST} are needed")
    if len(set(duplicate)) == 1:
        only = "duplicates" if duplicate[0] else "no duplicates"
        raise InputError(f"{table.name}: column '{table.columns[places[2]]}': all pairs are {only}", hint=_HINT)
    return make_labelled(list(zip(first, second, strict=True)), duplicate)


def _open(source: str) -> Table:
    try:
        return open_table(source)
    except InputError as error:
        # What dedupe has options for, such as an encoding, is told there in a hint; there is one way to write labelled pairs.
        hint = "labelled pairs are csv, tsv or jsonl in UTF-8, or parquet" if "--" in error.hint else error.hint
        raise InputError(error.message, hint=hint) from None


def find_columns(table: Table, columns: Sequence[str] = ()) -> tuple[int, int, int]:
    """The places of the two text columns and of the label; raises InputError with the columns there are."""
    if columns:
        return _named(table, columns)
    folded = [name.strip().casefold() for name in table.columns]
    texts = next((pair for pair in TEXTS if set(pair) <= set(folded)), None)
    label = next((name for name in LABELS if name in folded), None)
    if texts is None or label is None:
        missing = "no two text columns are" if texts is None else "no label column is"
        hint = f"name all three: --columns A,B,LABEL; known by name are {', '.join(TEXTS[0])}, {LABELS[0]} and such"
        raise InputError(f"{table.name}: {missing} known among {_listed(table)}", hint=hint)
    return folded.index(texts[0]), folded.index(texts[1]), folded.index(label)


def _named(table: Table, columns: Sequence[str]) -> tuple[int, int, int]:
    for name in columns:
        if table.columns.count(name) != 1:
            how = "several columns called" if name in table.columns else "no column"
            raise InputError(f"{table.name}: has {how} '{name}'; there are {_listed(table)}", hint="--columns A,B,LABEL")
    first, second, label = (table.columns.index(name) for name in columns)
    return first, second, label


def _listed(table: Table) -> str:
    return ", ".join(f"'{name}'" for name in table.columns[:20]) + (" and more" if len(table.columns) > 20 else "")


def _text(table: Table, row: int, place: int) -> str:
    found = cell_text(table.rows[row][place])
    if not found.strip():
        raise InputError(f"{_where(table, row, place)}: no text", hint="leave the row out, or fill it in")
    return found


def _label(table: Table, row: int, place: int) -> bool:
    found = cell_text(table.rows[row][place]).strip().casefold()
    if found in _TRUE or found in _FALSE:
        return found in _TRUE
    raise InputError(f"{_where(table, row, place)}: '{found[:40]}' is no label", hint=_HINT)


def _where(table: Table, row: int, place: int) -> str:
    return f"{table.name}: row {row + 1}, column '{table.columns[place]}'"


def by_question(pairs: Labelled, seed: int, shares: Sequence[float] = SHARES) -> tuple[Labelled, ...]:
    """Parts that share no question, drawn by component: each component is in a part with the probability of its share.

    Raises InputError if a part does not have pairs of both labels.
    """
    drawn = np.random.default_rng(seed).choice(len(shares), size=pairs.component.max() + 1, p=shares)
    parts = tuple(pairs.take(drawn[pairs.component] == part) for part in range(len(shares)))
    if not all(0 < part.duplicate.sum() < len(part) for part in parts):
        message = (
            f"split by question, {len(np.unique(pairs.component)):,} groups of pairs that share questions, a part lacks a label"
        )
        raise InputError(
            message, hint="more labelled pairs are needed, of questions that are not all in one chain; or another --seed"
        )
    return parts


def apart(pairs: Labelled, others: Labelled) -> NDArray[np.bool_]:
    """Which pairs have no text in common with the `others`, after folding."""
    theirs = set(fold_all(others.texts))
    clear = np.array([key not in theirs for key in fold_all(pairs.texts)], bool)
    return clear[pairs.first] & clear[pairs.second]
