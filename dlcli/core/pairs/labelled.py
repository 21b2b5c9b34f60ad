"""Labelled pairs of texts: reading them from a table with two text columns and a label, and splitting them by question."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from dlcli.core.text.bad_rows import save_bad_rows
from dlcli.core.text.columns import find_column
from dlcli.core.text.ragged import integer_encode
from dlcli.core.text.table_input import open_table
from dlcli.core.text.tokens import fold_all
from dlcli.support.blanks import is_blank
from dlcli.support.errors import InputError
from dlcli.support.plural import count
from dlcli.support.table_format import DEFAULT_FORMAT, TableFormat
from dlcli.support.tables import Table, cell_text

SPLIT_FRACTIONS = (0.7, 0.15, 0.15)
"""Expected fractions of the components in the training, dev and test part."""
TEXT_COLUMNS = (
    ("question1", "question2"),
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("a", "b"),
)
"""Names of text columns that are recognised, in order of preference; case and surrounding blanks are ignored."""
LABEL_COLUMNS = ("is_duplicate", "duplicate", "label", "is_paraphrase", "quality")
MIN_PAIRS = 20
"""Fewer pairs than this are refused: a split or an interval would mean little."""
_LABELS = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y", "duplicate"), True),
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n", "different"), False),
}
_HINT = "a label is 1, true, yes, y or duplicate, or 0, false, no, n or different"


@dataclass(frozen=True)
class LabelledPairs:
    """Labelled pairs of texts.

    Two pairs are in one component if a chain of pairs connects them in which neighbours share a text after folding.

    Attributes:
        texts: The distinct texts, not folded.
        first: Index of the first text of each pair, (pairs,).
        second: Index of the second text, (pairs,).
        duplicate: The labels, (pairs,).
        component: Connected component of the graph of pairs that each pair is in, (pairs,).
        row: Row of the table that each pair comes from, from 1, (pairs,).
        notes: Remarks on the labels, for the result.
    """

    texts: list[str]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    duplicate: NDArray[np.bool_]
    component: NDArray[np.int64]
    row: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.duplicate)

    def take(self, rows: NDArray[Any]) -> "LabelledPairs":
        """Some of the pairs, by mask or by index, with only the texts they need."""
        needed, numbers = np.unique(np.concatenate([self.first[rows], self.second[rows]]), return_inverse=True)
        first, second = np.split(numbers, 2)
        duplicate, component, row = (part[rows] for part in (self.duplicate, self.component, self.row))
        return LabelledPairs([self.texts[k] for k in needed], first, second, duplicate, component, row, self.notes)


class PairColumns(NamedTuple):
    """Indices of the columns of a table of labelled pairs."""

    first: int
    second: int
    label: int


def make_labelled_pairs(pairs: Sequence[tuple[str, str]], duplicate: Sequence[bool]) -> LabelledPairs:
    """Labelled pairs of the given texts, with their components computed."""
    return _make(pairs, duplicate).pairs


class _Made(NamedTuple):
    """Pairs, and the number of the folded text of each of their texts, (texts,)."""

    pairs: LabelledPairs
    question: NDArray[np.int64]


def _make(pairs: Sequence[tuple[str, str]], duplicate: Sequence[bool]) -> _Made:
    from scipy.sparse.csgraph import connected_components  # here, since it imports all of scipy.linalg

    in_order, texts = integer_encode(pairs)
    first, second = in_order.flat.reshape(-1, 2).T
    question = np.unique(fold_all(texts), return_inverse=True)[1]
    edges = sp.coo_array((np.ones(len(pairs)), (question[first], question[second])), shape=(len(texts), len(texts)))
    component = connected_components(edges, directed=False)[1][question[first]].astype(np.int64)
    rows = np.arange(1, len(pairs) + 1)
    return _Made(LabelledPairs(texts, first, second, np.array(duplicate, bool), component, rows), question)


def read_labelled_pairs(
    source: str, columns: Sequence[str] = (), table_format: TableFormat = DEFAULT_FORMAT, *, bad_rows: Path | None = None
) -> LabelledPairs:
    """Read labelled pairs from a table: csv, tsv, JSON or parquet, plain or .gz. Rows without a label or a text are skipped.

    Args:
        source: Path of the table.
        columns: Names or numbers of the two text columns and of the label; default: found by name.
        table_format: How to read the table.
        bad_rows: File to write rows to that `table_format` sets apart.

    Returns:
        The pairs, in the order of the rows, with notes on what was skipped and on pairs with both labels.

    Raises:
        InputError: A column is missing, a label is not one, there are fewer than `MIN_PAIRS` pairs, or all labels are equal.
            The message names file, row and column.
    """
    table = open_table(source, table_format)
    found = find_pair_columns(table, columns)
    labels = [label_of(table, row, found.label) for row in range(len(table.rows))]
    texts = [[cell_text(row[place]) for row in table.rows] for place in (found.first, found.second)]
    texted = [bool(first.strip() and second.strip()) for first, second in zip(*texts, strict=True)]
    kept = [row for row, label in enumerate(labels) if label is not None and texted[row]]
    skipped = _skipped(
        table, labels.count(None), sum(not there and label is not None for there, label in zip(texted, labels, strict=True))
    )
    duplicate = [labels[row] is True for row in kept]
    _check_labels(table, found, duplicate, skipped)
    save_bad_rows(bad_rows, table)
    pairs, question = _make([(texts[0][row], texts[1][row]) for row in kept], duplicate)
    pairs = replace(pairs, row=np.array(kept, np.int64) + 1)
    return replace(pairs, notes=(*table.warnings, *skipped, *_contradiction(table.name, pairs, question)))


def _skipped(table: Table, labels: int, texts: int) -> list[str]:
    parts = ((labels, "label"), (texts, "text"))
    return [f"{table.name}: skipped {count(number, 'row')} without a {what}" for number, what in parts if number]


def _check_labels(table: Table, found: PairColumns, duplicate: list[bool], skipped: list[str]) -> None:
    if len(duplicate) < MIN_PAIRS:
        less = f" ({'; '.join(note.removeprefix(f'{table.name}: ') for note in skipped)})" if skipped else ""
        message = f"{table.name}: {count(len(duplicate), 'labelled pair')} are too few{less}"
        raise InputError(message, hint=f"at least {MIN_PAIRS} are needed")
    if len(set(duplicate)) == 1:
        only = "all pairs are duplicates" if duplicate[0] else "none of the pairs is a duplicate"
        raise InputError(f"{table.name}: column '{table.columns[found.label]}': {only}", hint=_HINT)


def _contradiction(name: str, pairs: LabelledPairs, question: NDArray[np.int64]) -> list[str]:
    """A note on pairs of the same two texts, in either order and after folding, that have both labels."""
    low, high = np.sort([question[pairs.first], question[pairs.second]], axis=0)
    same = np.unique(low.astype(np.int64) * len(question) + high, return_inverse=True)[1]
    counts = [np.bincount(same[pairs.duplicate == label], minlength=same.max() + 1) for label in (False, True)]
    both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    if not len(both):
        return []
    one, other = (np.flatnonzero((same == both[0]) & (pairs.duplicate == label))[0] for label in (True, False))
    rows = " and ".join(str(row) for row in sorted((int(pairs.row[one]), int(pairs.row[other]))))
    have = "pair of texts has" if len(both) == 1 else "pairs of texts have"
    return [f"{name}: {len(both):,} {have} both labels, as in rows {rows}: '{_short(pairs.texts[pairs.first[one]])}'"]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "\u2026"


def find_pair_columns(table: Table, columns: Sequence[str] = ()) -> PairColumns:
    """Find the two text columns and the label, by `columns` or by the names that are recognised.

    Raises InputError, listing the columns of the table.
    """
    if columns:
        places = [find_column(table, name, field="columns=A,B,LABEL") for name in columns]
        if len(set(places)) < len(places):
            raise InputError(f"{table.name}: {','.join(columns)} name a column twice", hint="`columns=A,B,LABEL`")
        return PairColumns(*places)
    folded = [name.strip().casefold() for name in table.columns]
    texts = next((pair for pair in TEXT_COLUMNS if set(pair) <= set(folded)), None)
    label = next((name for name in LABEL_COLUMNS if name in folded), None)
    if texts is None or label is None:
        missing = "two text columns" if texts is None else "a label column"
        message = f"{table.name}: cannot find {missing} among {_listed(table)}"
        examples = f"recognised names: {', '.join((*TEXT_COLUMNS[0], LABEL_COLUMNS[0]))} and similar"
        raise InputError(message, hint=f"name all three with `columns=A,B,LABEL`; {examples}")
    return PairColumns(folded.index(texts[0]), folded.index(texts[1]), folded.index(label))


def _listed(table: Table) -> str:
    return ", ".join(f"'{name}'" for name in table.columns[:20]) + (" and more" if len(table.columns) > 20 else "")


def label_of(table: Table, row: int, place: int) -> bool | None:
    """The label in a cell of a table, None if it is blank; raises InputError if it is none."""
    cell = table.rows[row][place]
    if is_blank(cell):
        return None
    found = cell_text(cell).strip().casefold()
    if found in _LABELS:
        return _LABELS[found]
    where = f"{table.name}: row {row + 1}, column '{table.columns[place]}'"
    raise InputError(f"{where}: '{found[:40]}' is not a label", hint=_HINT)


def split_by_question(
    pairs: LabelledPairs, seed: int, fractions: Sequence[float] = SPLIT_FRACTIONS
) -> tuple[LabelledPairs, ...]:
    """Split pairs at random into parts that share no question; default: training, dev and test.

    Whole components are drawn, so the sizes of the parts match the fractions only on average.

    Args:
        pairs: Pairs to split.
        seed: Seed of the draw.
        fractions: Probability that a component goes to each part; they add up to 1.

    Returns:
        As many parts as there are fractions.

    Raises:
        InputError: A part does not have pairs of both labels.
    """
    # The seed itself and none derived from it: no other use does so, and published figures are of these halves.
    drawn = np.random.default_rng(seed).choice(len(fractions), size=pairs.component.max() + 1, p=fractions)
    parts = tuple(pairs.take(drawn[pairs.component] == part) for part in range(len(fractions)))
    if not all(0 < part.duplicate.sum() < len(part) for part in parts):
        groups = count(len(np.unique(pairs.component)), "group")
        message = f"cannot split the pairs by question: shared questions link them to {groups}, and one part would lack a label"
        raise InputError(message, hint="use more labelled pairs, not all linked by shared questions, or another `seed`")
    return parts


def shares_no_text(pairs: LabelledPairs, others: LabelledPairs) -> NDArray[np.bool_]:
    """Which pairs have no text in common with the `others` after folding, (pairs,)."""
    keys = set(fold_all(others.texts))
    new = np.array([key not in keys for key in fold_all(pairs.texts)], np.bool_)
    mask: NDArray[np.bool_] = new[pairs.first] & new[pairs.second]
    return mask
