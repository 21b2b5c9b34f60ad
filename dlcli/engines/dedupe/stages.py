"""The steps of `dlcli dedupe`, each from what those before gave: open, distinct, candidates, scores, stars, verdicts."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dlcli.core.stats import wilson
from dlcli.core.text.clusters import Groups, group_in_order
from dlcli.core.text.columns import find_column, texts_of
from dlcli.core.text.distinct import Distinct, distinct
from dlcli.core.text.keep_rule import canonical_order, row_priorities
from dlcli.core.text.ragged import compact_ids
from dlcli.core.text.scoring.features import Floats, Rows
from dlcli.core.text.scoring.operating_point import choose_threshold
from dlcli.core.text.scoring.pair_score import built_in, built_in_threshold_counts
from dlcli.core.text.scoring.scorer import Scorer
from dlcli.core.text.search.neighbours import Pairs, sampled_recall, similar_pairs
from dlcli.core.text.table_input import SAMPLE, open_table
from dlcli.core.text.vectors import candidate_cosine, make_vectors
from dlcli.core.text.vectors.weighting import Matrix
from dlcli.specs.dedupe import ADDED_COLUMNS, EARLIER_COLUMN, THRESHOLD, DedupeConfig
from dlcli.specs.estimates import Estimate
from dlcli.support.errors import InputError
from dlcli.support.reporter import Reporter
from dlcli.support.tables import Table

_DIGITS = 6
"""Of a probability: beyond these it differs between machines and numbers of threads, and must not decide anything."""


@dataclass(frozen=True)
class TextColumn:
    """A table, the place of its text column, and its texts, "" where there is none."""

    table: Table
    place: int
    texts: list[str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Candidates:
    """Pairs of distinct texts by number, with their cosine, which is at least `level`; and how many of all such were found."""

    pairs: Pairs
    level: float
    recall: Estimate | None


@dataclass(frozen=True)
class ScoredPairs:
    """Candidates with the `probability` of each, (pairs,), that its texts are duplicates."""

    pairs: Pairs
    probability: Floats

    def duplicates(self, threshold: float) -> "ScoredPairs":
        """Those at or above the threshold."""
        kept = self.probability >= threshold
        pairs = Pairs(self.pairs.first[kept], self.pairs.second[kept], self.pairs.score[kept])
        return ScoredPairs(pairs, self.probability[kept])

    def by_probability(self) -> Pairs:
        """The pairs with their probability as the score."""
        return Pairs(self.pairs.first, self.pairs.second, self.probability.astype(np.float32))


@dataclass(frozen=True)
class RowAssignments:
    """What was found of each row with text; arrays are parallel to `rows`, row numbers count from 0.

    `text` and `centre` are the numbers of the row's text and of the canonical text of its group, `centre_row` is the row that
    stands for that, `score` the probability that the two texts are duplicates, `canonical` whether it is that row itself.
    """

    rows: NDArray[np.int64]
    text: NDArray[np.int64]
    centre: NDArray[np.int64]
    centre_row: NDArray[np.int64]
    score: Floats
    canonical: NDArray[np.bool_]

    @property
    def equal(self) -> NDArray[np.bool_]:
        """Whether the row's key is that of the canonical text."""
        same: NDArray[np.bool_] = self.text == self.centre
        return same


@dataclass(frozen=True)
class EarlierTexts:
    """Texts of earlier tables, which take part as if they stood behind the table, as its rows from `start` on.

    `row` (texts of earlier tables) is where each stands in its own table, from 0, and `table` the name of that; `rows` (all
    texts) how many earlier rows the group has of which a text is canonical, and `ids` what groups are called already.
    """

    start: int
    row: NDArray[np.int64]
    table: list[str]
    rows: NDArray[np.int64]
    ids: dict[int, str]

    def places(self, rows: NDArray[np.int64], table: str) -> tuple[list[int], list[str]]:
        """For rows of the table, and those behind it: the row number as people count, and the name of its table."""
        behind = (rows - self.start).tolist()
        return (
            [int(self.row[k]) + 1 if k >= 0 else row + 1 for k, row in zip(behind, rows.tolist(), strict=True)],
            [self.table[k] if k >= 0 else table for k in behind],
        )


@dataclass(frozen=True)
class DedupeState:
    """All that was found of a table; `sheet` has the texts of `earlier` tables behind its own."""

    sheet: TextColumn
    texts: Distinct
    candidates: Candidates
    judged: ScoredPairs
    verdicts: RowAssignments
    earlier: EarlierTexts | None = None


def group_sizes(verdicts: RowAssignments, earlier: EarlierTexts | None) -> NDArray[np.int64]:
    """How many rows the group has of which a text is canonical, by the number of the text."""
    if earlier is None:
        return np.bincount(verdicts.centre)
    return np.bincount(verdicts.centre, minlength=len(earlier.rows)) + earlier.rows


def added_columns(prefix: str, *, earlier: bool = False) -> list[str]:
    """The columns that are added to a table; with `earlier` ones also which table `duplicate_of` counts in."""
    return [prefix + name for name in (*ADDED_COLUMNS, *([EARLIER_COLUMN] if earlier else []))]


def read_input_table(config: DedupeConfig, added: list[str]) -> tuple[Table, list[str]]:
    """The table without the columns `added` by an earlier run, and what there is to say of that.

    They count as such if the table ends in exactly these; any other column of such a name raises InputError.
    """
    source = SAMPLE if config.table is None else config.table
    table = open_table(source, encoding=config.encoding, delimiter=config.delimiter, max_cell=config.max_cell)
    again = bool(added) and table.columns[-len(added) :] == added and len(table.columns) > len(added)
    table = table.without(len(added)) if again else table
    for name in added:
        if name in table.columns:
            hint = f"pass `prefix=dedupe_` to add dedupe_{name.removeprefix(config.prefix)} and so on"
            raise InputError(f"{table.name}: has a column '{name}', which dedupe adds", hint=hint)
    return table, [f"{table.name}: the columns of an earlier run are computed again: {', '.join(added)}"] if again else []


def read_text_column(config: DedupeConfig, report: Reporter) -> TextColumn:
    """Read the table and find its column; raises the kinds of `dlcli.support.errors`."""
    grouped = not (config.pairs or config.label)
    table, notes = read_input_table(config, added_columns(config.prefix, earlier=config.has_earlier) if grouped else [])
    place = find_column(table, config.column)
    if config.column is None:
        notes.append(f"comparing column '{table.columns[place]}' of {table.name}; another: `column=NAME`")
    texts, nulls = texts_of(table, place)
    for note in notes:
        report.note(note)
    if nulls:
        where = f"{table.name}: row {nulls[0] + 1}, column '{table.columns[place]}'"
        report.warn(f"{where}: null; rows like this pass through, in no group ({len(nulls):,} in all)")
    return TextColumn(table, place, texts, tuple(notes))


def distinct_texts(config: DedupeConfig, sheet: TextColumn) -> Distinct:
    """The distinct texts; raises InputError if --keep-rule names a column that is not there or cannot be ordered."""
    rule, _, column = config.keep_rule.partition(":")
    if rule == "first":
        return distinct(sheet.texts, np.zeros(len(sheet.texts), np.int64))
    if rule != "max":
        return distinct(sheet.texts)
    place = find_column(sheet.table, column, field="keep_rule=max:COLUMN")
    cells = [row[place] for row in sheet.table.rows]
    return distinct(sheet.texts, row_priorities(cells, table=sheet.table.name, column=column))


def min_cosine(config: DedupeConfig) -> float:
    """The cosine from which pairs are looked at."""
    return candidate_cosine(config.vectors) if config.candidates is None else config.candidates


def resolve_threshold(config: DedupeConfig) -> tuple[DedupeConfig, Estimate | None]:
    """The configuration with the threshold that --precision chooses, if it is asked for, and the precision held-out pairs have.

    Raises CheckFailedError if that is out of reach, and InputError if the folder of --model does not say.
    """
    if config.precision is None:
        return config, None
    counts, by = built_in_threshold_counts(), "the built-in score"
    if config.model is not None:
        from dlcli.core.pairs.saved import read_threshold_counts  # here, since most runs need none of it

        counts, by = read_threshold_counts(config.model), str(config.model)
    point = choose_threshold(counts, config.precision, by)
    return replace(config, precision=None, threshold=point.threshold), point.precision


def effective_threshold(config: DedupeConfig) -> float:
    """The probability from which a pair is called duplicate."""
    return THRESHOLD if config.threshold is None else config.threshold


def describe_threshold(config: DedupeConfig, precision: Estimate | None) -> str:
    """In words, when a pair is called duplicate, once the threshold is settled."""
    worth = f" (precision {precision} on held-out pairs)" if precision else ""
    by = config.model or "the built-in score"
    return f"call a pair duplicate from a probability of {effective_threshold(config):g} on{worth}, by {by}"


def find_candidates(config: DedupeConfig, texts: Distinct, report: Reporter) -> Candidates:
    """The pairs whose vectors have a cosine at or above --candidates."""
    level = min_cosine(config)
    if len(texts) < 2:
        nobody = np.empty(0, np.int32)
        return Candidates(Pairs(nobody, nobody, np.empty(0, np.float32)), level, None)
    vectors = make_vectors(config.vectors, texts.keys)
    with report.task("comparing", total=len(texts)) as task:
        pairs = similar_pairs(vectors, level, advance=task.advance)
    return Candidates(pairs, level, estimate_recall(vectors, pairs, level, np.arange(len(texts))))


def estimate_recall(vectors: Matrix, pairs: Pairs, level: float, among: NDArray[np.int64]) -> Estimate | None:
    """The share of the pairs of some texts that were found, by a sample of these texts; None if they have none."""
    found, wanted = sampled_recall(vectors, pairs, level, among=among)
    return wilson(found, wanted) if wanted else None


def choose_scorer(config: DedupeConfig) -> Scorer:
    """What judges the candidates: the one place where it is chosen. Raises what `load_scorer` raises."""
    if config.model is None:
        return built_in()
    from dlcli.core.pairs.saved import load_scorer  # here, since most runs need none of it

    return load_scorer(config.model).scorer


def score_pairs(scorer: Scorer, texts: Distinct, pairs: Pairs) -> ScoredPairs:
    """The probability of each pair; only texts that are in a pair are read."""
    needed, (first, second) = compact_ids(len(texts), pairs.first, pairs.second)
    return ScoredPairs(pairs, rounded_probability(scorer, [texts.texts[k] for k in needed], first, second))


def rounded_probability(scorer: Scorer, texts: list[str], first: Rows, second: Rows) -> Floats:
    """The probability of pairs of texts by number, (pairs,), to the digits that are the same everywhere."""
    return np.round(scorer.score(texts, first, second), _DIGITS)


def group_texts(config: DedupeConfig, texts: Distinct, duplicates: ScoredPairs) -> Groups:
    """The groups of texts, in the order of --keep-rule."""
    pairs = duplicates.by_probability()
    return group_in_order(canonical_order(config.keep_rule.partition(":")[0], texts, pairs), pairs)


def assign_rows(texts: Distinct, groups: Groups) -> RowAssignments:
    """What the groups of texts mean for each row."""
    rows = np.flatnonzero(texts.of_row >= 0)
    text = texts.of_row[rows]
    centre = groups.canonical[text].astype(np.int64)
    centre_row = texts.row[centre]
    return RowAssignments(rows, text, centre, centre_row, groups.score[text].astype(np.float64), centre_row == rows)
