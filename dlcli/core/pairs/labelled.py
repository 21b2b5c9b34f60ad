"""Labelled pairs of texts: reading them from a table with two text columns and a label, and splitting them by question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from dlcli.core.text.ragged import integer_encode
from dlcli.core.text.table_input import open_table
from dlcli.core.text.tokens import fold_all
from dlcli.support.errors import InputError
from dlcli.support.plural import count
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
_TRUE, _FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")
_HINT = "a label is 1 for a duplicate and 0 for a pair that is not"


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
    """

    texts: list[str]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    duplicate: NDArray[np.bool_]
    component: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.duplicate)

    def take(self, rows: NDArray[Any]) -> "LabelledPairs":
        """Some of the pairs, by mask or by index, with only the texts they need."""
        needed, numbers = np.unique(np.concatenate([self.first[rows], self.second[rows]]), return_inverse=True)
        first, second = np.split(numbers, 2)
        return LabelledPairs([self.texts[k] for k in needed], first, second, self.duplicate[rows], self.component[rows])


class PairColumns(NamedTuple):
    """Indices of the columns of a table of labelled pairs."""

    first: int
    second: int
    label: int


def make_labelled_pairs(pairs: Sequence[tuple[str, str]], duplicate: Sequence[bool]) -> LabelledPairs:
    """Labelled pairs of the given texts, with their components computed."""
    in_order, texts = integer_encode(pairs)
    first, second = in_order.flat.reshape(-1, 2).T
    question = np.unique(fold_all(texts), return_inverse=True)[1]
    edges = sp.coo_array((np.ones(len(pairs)), (question[first], question[second])), shape=(len(texts), len(texts)))
    component = connected_components(edges, directed=False)[1][question[first]].astype(np.int64)
    return LabelledPairs(texts, first, second, np.array(duplicate, bool), component)


def read_labelled_pairs(source: str, columns: Sequence[str] = ()) -> LabelledPairs:
    """Read labelled pairs from a table: csv, tsv, jsonl or parquet, plain or .gz.

    Args:
        source: Path of the table.
        columns: Names of the two text columns and of the label; default: found by name.

    Returns:
        The pairs, in the order of the rows.

    Raises:
        InputError: A column is missing, a label is neither 0 nor 1, a text is empty, there are fewer than `MIN_PAIRS` pairs,
            or all labels are equal. The message names file, row and column.
    """
    table = _open(source)
    found = find_pair_columns(table, columns)
    first, second = ([_text(table, row, place) for row in range(len(table.rows))] for place in (found.first, found.second))
    duplicate = [_label(table, row, found.label) for row in range(len(table.rows))]
    if len(duplicate) < MIN_PAIRS:
        message = f"{table.name}: {len(duplicate)} labelled pairs are too few"
        raise InputError(message, hint=f"at least {MIN_PAIRS} are needed")
    if len(set(duplicate)) == 1:
        only = "all pairs are duplicates" if duplicate[0] else "none of the pairs is a duplicate"
        raise InputError(f"{table.name}: column '{table.columns[found.label]}': {only}", hint=_HINT)
    return make_labelled_pairs(list(zip(first, second, strict=True)), duplicate)


def _open(source: str) -> Table:
    try:
        return open_table(source)
    except InputError as error:
        # A hint may name an option of dedupe, such as the encoding. Labelled pairs have no such options: one format only.
        names_option = "--" in error.hint or "`" in error.hint
        hint = "labelled pairs are csv, tsv or jsonl in UTF-8, or parquet" if names_option else error.hint
        raise InputError(error.message, hint=hint) from None


def find_pair_columns(table: Table, columns: Sequence[str] = ()) -> PairColumns:
    """Find the two text columns and the label, by `columns` or by the names that are recognised.

    Raises InputError, listing the columns of the table.
    """
    if columns:
        return _named(table, columns)
    folded = [name.strip().casefold() for name in table.columns]
    texts = next((pair for pair in TEXT_COLUMNS if set(pair) <= set(folded)), None)
    label = next((name for name in LABEL_COLUMNS if name in folded), None)
    if texts is None or label is None:
        missing = "two text columns" if texts is None else "a label column"
        message = f"{table.name}: cannot find {missing} among {_listed(table)}"
        examples = f"recognised names: {', '.join((*TEXT_COLUMNS[0], LABEL_COLUMNS[0]))} and similar"
        raise InputError(message, hint=f"name all three with `columns=A,B,LABEL`; {examples}")
    return PairColumns(folded.index(texts[0]), folded.index(texts[1]), folded.index(label))


def _named(table: Table, columns: Sequence[str]) -> PairColumns:
    for name in columns:
        if table.columns.count(name) != 1:
            what = "several columns are called" if name in table.columns else "there is no column"
            message = f"{table.name}: {what} '{name}'; the columns are {_listed(table)}"
            raise InputError(message, hint="name the columns with `columns=A,B,LABEL`")
    return PairColumns(*(table.columns.index(name) for name in columns))


def _listed(table: Table) -> str:
    return ", ".join(f"'{name}'" for name in table.columns[:20]) + (" and more" if len(table.columns) > 20 else "")


def _text(table: Table, row: int, place: int) -> str:
    found = cell_text(table.rows[row][place])
    if not found.strip():
        raise InputError(f"{_where(table, row, place)}: the text is empty", hint="remove the row, or fill in the cell")
    return found


def _label(table: Table, row: int, place: int) -> bool:
    found = cell_text(table.rows[row][place]).strip().casefold()
    if found in _TRUE or found in _FALSE:
        return found in _TRUE
    raise InputError(f"{_where(table, row, place)}: '{found[:40]}' is not a label", hint=_HINT)


def _where(table: Table, row: int, place: int) -> str:
    return f"{table.name}: row {row + 1}, column '{table.columns[place]}'"


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
