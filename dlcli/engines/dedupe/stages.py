"""The stages of `dlcli dedupe`: read, find distinct texts, find candidates, score, group, assign rows.

Each stage costs more per item than the one before and is given fewer items. Equal texts are merged first, so that a text is
compared once however often it is repeated. A cosine, which a join finds without comparing all pairs, selects candidates, and
only these are scored. Groups need all scores, since a text joins the canonical text with the highest one.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.text.clusters import Groups, group_in_order
from dlcli.core.text.columns import (
    TextColumnChoice,
    blocks_of,
    choose_text_column,
    find_column,
    find_columns,
    joined_texts,
    listed_names,
    row_keys,
)
from dlcli.core.text.distinct import Distinct, distinct
from dlcli.core.text.keep_rule import canonical_order, row_priorities
from dlcli.core.text.mask import mask_texts
from dlcli.core.text.scoring.arrays import Floats
from dlcli.core.text.scoring.scored_pairs import ScoredPairs
from dlcli.core.text.table_input import SAMPLE, open_table
from dlcli.engines.dedupe.candidates import Candidates
from dlcli.engines.dedupe.labelled import LabelledEstimates
from dlcli.specs.dedupe import ADDED_COLUMNS, EARLIER_COLUMN, STRICT, DedupeConfig, Unscored
from dlcli.specs.table_options import table_format
from dlcli.support.errors import InputError
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table


@dataclass(frozen=True)
class TextColumn:
    """The text column of a table, or several whose cells make one text.

    Attributes:
        table: The table.
        places: Indices of the columns.
        texts: The text of each row as it is compared, "" where it is empty; those of earlier tables follow.
        written: The text of each row before masking, of its own rows only.
        notes: Remarks on the input.
        blocks: The block of each row of the table, within which it is compared; None if rows are compared with all.
        keys: The key of each row of the table, by which an index finds it again; None without the option `key`.
    """

    table: Table
    places: tuple[int, ...]
    texts: Sequence[str]
    written: Sequence[str]
    notes: tuple[str, ...]
    blocks: list[str | None] | None = None
    keys: list[str] | None = None

    @property
    def name(self) -> str:
        """The names of the columns, as the option `column` takes them."""
        return listed_names([self.table.columns[place] for place in self.places])

    @property
    def masked(self) -> bool:
        """Whether texts are compared otherwise than they are written."""
        if self.written is self.texts:
            return False
        return any(one != other for one, other in zip(self.written, self.texts, strict=False))


@dataclass(frozen=True)
class RowAssignments:
    """The group of each of the r rows that have text.

    Attributes:
        rows: Row numbers from 0, (r,); all other arrays are parallel to it.
        text: Number of the row's distinct text.
        canonical_text: Number of the canonical text of its group.
        canonical_row: Row number of the first row with the canonical text.
        score: Probability that the two texts are duplicates.
        is_canonical: Whether the row is the canonical row itself.
    """

    rows: NDArray[np.int64]
    text: NDArray[np.int64]
    canonical_text: NDArray[np.int64]
    canonical_row: NDArray[np.int64]
    score: Floats
    is_canonical: NDArray[np.bool_]


class RowPlaces(NamedTuple):
    """Where rows are, in parallel lists: the row number in its own table, from 1, and the name of the table."""

    numbers: list[int]
    tables: list[str]


@dataclass(frozen=True)
class EarlierTexts:
    """Texts of earlier tables. They take part as additional rows of the table, numbered from `start` on.

    Attributes:
        start: Number of rows of the table itself.
        row: Row number, from 0, of each earlier text in its own table.
        table: Name of that table.
        rows: Number of earlier rows in the group of each canonical text, 0 for other texts; parallel to all texts.
        ids: Group id of canonical texts, by number, where the index has stored one.
    """

    start: int
    row: NDArray[np.int64]
    table: list[str]
    rows: NDArray[np.int64]
    ids: dict[int, str]

    def places(self, rows: NDArray[np.int64], table: str) -> RowPlaces:
        """Locate rows by number; those below `start` are in the table of the given name."""
        earlier = (rows - self.start).tolist()
        return RowPlaces(
            [int(self.row[k]) + 1 if k >= 0 else row + 1 for k, row in zip(earlier, rows.tolist(), strict=True)],
            [self.table[k] if k >= 0 else table for k in earlier],
        )


@dataclass(frozen=True)
class DedupeState:
    """What the stages found, for the output tables and the result.

    Attributes:
        text_column: The table, with the texts of earlier tables after its own.
        texts: The distinct texts of all.
        candidates: The candidate pairs.
        scored: The candidates with their probability.
        assignments: The groups of the rows of the table.
        earlier: Texts of earlier tables, if any take part.
        labelled: What labelled pairs tell, if there are some.
        unscored: Duplicates that are expected among the pairs next most alike.
    """

    text_column: TextColumn
    texts: Distinct
    candidates: Candidates
    scored: ScoredPairs
    assignments: RowAssignments
    earlier: EarlierTexts | None = None
    labelled: LabelledEstimates | None = None
    unscored: Unscored | None = None


class InputTable(NamedTuple):
    """A table, and remarks on how it was read."""

    table: Table
    notes: list[str]


def group_sizes(assignments: RowAssignments, earlier: EarlierTexts | None) -> NDArray[np.int64]:
    """Number of rows in the group of each canonical text, 0 for other texts, (texts,)."""
    if earlier is None:
        return np.bincount(assignments.canonical_text)
    return np.bincount(assignments.canonical_text, minlength=len(earlier.rows)) + earlier.rows


def added_columns(prefix: str, *, earlier: bool = False) -> list[str]:
    """Names of the columns that are added to a table; `earlier` adds the name of the table that `duplicate_of` is a row of."""
    return [prefix + name for name in (*ADDED_COLUMNS, *([EARLIER_COLUMN] if earlier else []))]


def read_input_table(config: DedupeConfig, added: list[str]) -> InputTable:
    """Read the table, without the columns `added` by an earlier run, which are its last ones if it has them.

    Raises InputError if it has any other column of such a name.
    """
    source = SAMPLE if config.table is None else config.table
    table = open_table(source, table_format(config), alone=config.against is None and config.forget_keys is None)
    again = bool(added) and table.columns[-len(added) :] == added and len(table.columns) > len(added)
    table = table.without(len(added)) if again else table
    for name in added:
        if name in table.columns:
            hint = f"pass `prefix=dedupe_` to add dedupe_{name.removeprefix(config.prefix)} and so on"
            raise InputError(f"{table.name}: has a column '{name}', which dedupe adds", hint=hint)
    return InputTable(
        table, [f"{table.name}: the columns of an earlier run are computed again: {', '.join(added)}"] if again else []
    )


def read_text_column(config: DedupeConfig, report: Reporter, preferred: str | None = None) -> TextColumn:
    """Read the table and find its column, the `preferred` one if it is there and the options name none.

    Raises the kinds of `dlcli.support.errors`.
    """
    grouped = not (config.pairs or config.label)
    table, notes = read_input_table(config, added_columns(config.prefix, earlier=config.has_earlier) if grouped else [])
    places, near = _choose_column(config, table, preferred)
    written, nulls = joined_texts(table, places)
    texts = mask_texts(written, config.mask) if config.mask else written
    blocks = row_blocks(config, table, report)
    keys = None if config.key is None else row_keys(table, config.key)
    found = TextColumn(table, places, texts, written, (), blocks, keys)
    if config.column is None:
        also = f" (like text, too: {', '.join(map(repr, near))})" if near else ""
        notes.append(f"comparing column '{found.name}' of {table.name}{also}; another: `column=NAME`")
    blank = len(texts) > 0 and not any(map(str.strip, texts))
    if nulls and not blank:
        where = f"{table.name}: row {nulls[0] + 1}, column '{found.name}'"
        notes.append(f"{where}: null; rows like this pass through, in no group ({len(nulls):,} in all)")
    for note in notes:
        report.note(note)
    for warning in table.warnings:
        report.warn(warning)
    if blank:
        report.warn(f"{table.name}: column '{found.name}' is blank in every row")
    return replace(found, notes=(*notes, *table.warnings))


def _choose_column(config: DedupeConfig, table: Table, preferred: str | None) -> TextColumnChoice:
    if config.column is None and preferred is not None:
        with suppress(InputError):
            return TextColumnChoice(find_columns(table, preferred), ())
    return choose_text_column(table, config.column)


def row_blocks(config: DedupeConfig, table: Table, report: Reporter) -> list[str | None] | None:
    """The block of each row by the columns of `within`, None without that; warns of rows that are blank there."""
    if config.within is None:
        return None
    blocks = blocks_of(table, find_columns(table, config.within, field="within"))
    blank = blocks.count(None)
    if blank:
        where = f"{table.name}: row {blocks.index(None) + 1}, column '{config.within}'"
        report.warn(f"{where}: blank; rows like this are compared with none, in no group ({blank:,} in all)")
    return blocks


def distinct_texts(config: DedupeConfig, text_column: TextColumn) -> Distinct:
    """The distinct texts; raises InputError if `keep_rule` names a column that does not exist or cannot be ordered."""
    rule, _, column = config.keep_rule.partition(":")
    texts, blocks, strict = text_column.texts, text_column.blocks, config.fold == STRICT
    if rule == "first":
        return distinct(texts, np.zeros(len(texts), np.int64), blocks, strict=strict)
    if rule != "max":
        return distinct(texts, blocks=blocks, strict=strict)
    place = find_column(text_column.table, column, field="keep_rule=max:COLUMN")
    cells = [row[place] for row in text_column.table.rows]
    priorities = row_priorities(cells, table=text_column.table.name, column=column)
    return distinct(texts, priorities, blocks, strict=strict)


def group_texts(config: DedupeConfig, texts: Distinct, duplicates: ScoredPairs) -> Groups:
    """Group texts, taking canonical ones in the order of `keep_rule`."""
    pairs = duplicates.by_probability()
    return group_in_order(canonical_order(config.keep_rule.partition(":")[0], texts, pairs), pairs)


def assign_rows(texts: Distinct, groups: Groups) -> RowAssignments:
    """Assign each row with text to the group of its text."""
    rows = np.flatnonzero(texts.of_row >= 0)
    text = texts.of_row[rows]
    canonical_text = groups.canonical[text].astype(np.int64)
    canonical_row = texts.row[canonical_text]
    score = groups.score[text].astype(np.float64)
    return RowAssignments(rows, text, canonical_text, canonical_row, score, canonical_row == rows)
