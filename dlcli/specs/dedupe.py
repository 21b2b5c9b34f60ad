"""What `dlcli dedupe` takes and gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs.estimates import Estimate
from dlcli.specs.option import check, option
from dlcli.specs.pairs import check_applicable, pair_columns_option
from dlcli.specs.shared import output_option
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table

ADDED_COLUMNS = ("group", "group_size", "canonical", "duplicate_of", "score", "match", "why")
EARLIER_COLUMN = "duplicate_in"
"""With --index or --against, behind these: the table in which `duplicate_of` is a row."""
PAIR_COLUMNS = ("row_a", "row_b", "score", "cosine", "match", "why", "text_a", "text_b")
PAIR_VERDICT_COLUMNS = ("score", "verdict", "why")
VERDICTS = ("different", "duplicate")
LABEL_COLUMNS = ("question1", "question2", "is_duplicate", "score", "why")
_OF_PAIRS = (
    *("table", "pair_columns", "model", "threshold", "precision", "fail_on_duplicates", "prefix"),
    *("encoding", "delimiter", "max_cell", "excel_safe", "output"),
)
"""The options that mean something with --pair-columns."""
KEEP_RULES = ("central", "first", "longest", "max:COLUMN")
THRESHOLD = 0.7
"""The default: of the labelled pairs of questions that are called duplicates, four of five are. See docs/systems."""


@dataclass(frozen=True, kw_only=True)
class DedupeConfig:
    """Options of `dlcli dedupe`."""

    table: str | None = option(
        None,
        "csv, tsv, jsonl or parquet, plain or .gz; - is standard input; questions is the embedded sample. "
        "Left out: standard input, or on a terminal the sample.",
        argument=True,
        metavar="[TABLE]",
        reads=True,
    )
    column: str | None = option(None, "The text column; left out, it is found and named.", metavar="NAME")
    pair_columns: tuple[str, ...] = pair_columns_option()
    model: Path | None = option(
        None,
        "Judge by what dlcli train --task pairs learned and left in this folder, instead of the score that is built in.",
        metavar="DIR",
    )
    threshold: float | None = option(
        None, f"The smallest probability of a duplicate; left out, {THRESHOLD:g}.", minimum=0, maximum=1, metavar="PROBABILITY"
    )
    precision: float | None = option(
        None,
        "Instead of --threshold: take the smallest from which on this share or more of held-out pairs are duplicates, by the "
        "lower bound of the 95% interval; if there is none, exit with status 1 and say what can be had.",
        minimum=0.5,
        maximum=1,
        metavar="SHARE",
    )
    candidates: float | None = option(
        None,
        "The cosine from which pairs are looked at; left out, what suits the vectors. Lower finds more and takes longer.",
        minimum=0.3,
        maximum=1,
        metavar="COSINE",
    )
    vectors: str = option(
        "tfidf",
        "What is compared: tfidf (words and character n-grams), word2vec[:DIMENSIONS] (trained on the table itself, for "
        "thousands of rows), spacy:PACKAGE, static:FOLDER (model2vec) or sentence:PACKAGE_OR_FOLDER (sentence-transformers; "
        "the best and slowest). Nothing is fetched; a cosine means something else for each.",
        metavar="NAME",
    )
    keep_rule: str = option(
        "central",
        "Which text of a group is canonical: the one with the most duplicates (central), the first row's, the longest, or that "
        "of the row with the highest number or latest date in a column (max:COLUMN).",
        metavar="|".join(KEEP_RULES),
    )
    max_group: int = option(1000, "Warn of groups of more rows than this.", minimum=1)
    index: Path | None = option(
        None,
        "Meet the rows of all tables before this one, kept in this folder, and add this one to them; group ids stay.",
        metavar="DIR",
    )
    against: str | None = option(
        None, "Mark the rows that duplicate a row of this table too; its rows are not printed.", metavar="TABLE", reads=True
    )
    keep: bool = option(False, "Print the canonical rows only.")
    pairs: bool = option(
        False, "Print the pairs of near and exact duplicates instead of the rows, with how probably they ask the same, and why."
    )
    label: int | None = option(
        None,
        "Print the N pairs nearest the threshold instead, for a person to fill in is_duplicate (1 or 0), as dlcli train "
        "--task pairs reads it.",
        minimum=1,
        metavar="N",
    )
    review: Path | None = option(
        None,
        "Leave a page here (.html) to judge pairs on: the most doubtful first, with a threshold to move, and labels to export.",
        metavar="FILE",
        writes=True,
    )
    fail_on_duplicates: bool = option(False, "Exit with status 1 if any row is a duplicate.")
    prefix: str = option("", "Put before the names of the added columns, if the table has such names already.", metavar="TEXT")
    encoding: str = option("utf-8", "The text encoding of the input.", metavar="NAME")
    delimiter: str | None = option(
        None, "What separates cells; left out, comma, semicolon, tab or bar is found.", metavar="CHAR"
    )
    max_cell: int = option(1_000_000, "Refuse cells longer than this many characters.", minimum=1)
    excel_safe: bool = option(
        False,
        "Put an apostrophe before cells that begin with = + - @, tab or CR, which a spreadsheet would run. csv and tsv only.",
    )
    output: Path | None = output_option(
        "Write the rows to this file instead (.csv, .tsv, .jsonl, .parquet, or .gz of them).", "FILE"
    )

    def __post_init__(self) -> None:
        check(self)
        rule, colon, column = self.keep_rule.partition(":")
        if not (column if rule == "max" else not colon and rule in KEEP_RULES):
            raise UsageError(f"--keep-rule: '{self.keep_rule}' is not one of {', '.join(KEEP_RULES)}")
        asked = [name for name, wanted in (("--keep", self.keep), ("--pairs", self.pairs), ("--label", self.label)) if wanted]
        if len(asked) > 1:
            raise UsageError(f"{' and '.join(asked)} do not go together", hint="ask for one of them")
        if self.pair_columns:
            check_applicable(self, _OF_PAIRS, "`pair_columns`")
        if self.precision is not None and self.threshold is not None:
            raise UsageError("--precision and --threshold do not go together", hint="ask for one of them")
        if self.review is not None and self.review.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"--review: '{self.review}' does not end in .html", hint="name the page, such as review.html")
        self._check_earlier()
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise UsageError(f"--delimiter: '{self.delimiter}' is not one character")

    def _check_earlier(self) -> None:
        option = "--index" if self.index else "--against"
        if self.index and self.against:
            raise UsageError("--index and --against do not go together", hint="ask for one of them")
        for other, wanted in (("--pairs", self.pairs), ("--label", self.label), ("--review", self.review)):
            if self.has_earlier and wanted:
                raise UsageError(f"{option} and {other} do not go together", hint=f"leave {other} out")
        if self.index and self.keep_rule.startswith("max:"):
            hint = "--keep-rule central, first or longest"
            raise UsageError("--keep-rule max:COLUMN does not go with --index, which keeps no other columns", hint=hint)

    @property
    def has_earlier(self) -> bool:
        """Whether rows of earlier tables take part."""
        return self.index is not None or self.against is not None


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup:
    """One group of duplicates, for people to look at."""

    size: int
    canonical_row: int
    canonical_text: str
    example_text: str
    example_score: float


@dataclass(frozen=True, kw_only=True)
class DedupeResult:
    """The outcome of `dlcli dedupe`; `model` is the folder of the scorer, "" for the one that is built in.

    `rows_` counts add up: canonical + exact + near + empty = read. `candidates` counts the pairs of distinct texts looked at,
    `pairs` those called duplicates and the further rows of equal texts; `oversized_groups` the groups of more than --max-group
    rows. `recall` is the share of the pairs whose cosine is at or above `candidates_from`, found by brute force for a sample of
    texts, that the search for candidates found too. With --index or --against the sample is of new texts, and it is None where
    these are so few that each is compared with all. `precision` is the share of duplicates among the held-out pairs at or
    above the threshold, where --precision chose that.
    """

    KIND: ClassVar[str] = "rows"

    source: str
    column: str
    vectors: str
    model: str
    candidates_from: float
    threshold: float
    precision: Estimate | None
    keep_rule: str
    rows_read: int
    rows_empty: int
    rows_exact: int
    rows_near: int
    rows_canonical: int
    groups: int
    oversized_groups: int
    candidates: int
    pairs: int
    recall: Estimate | None
    largest: tuple[DuplicateGroup, ...]
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The largest groups as flat records, for a terminal."""
        return [vars(group) for group in self.largest]


@dataclass(frozen=True, kw_only=True)
class DuplicatePair:
    """Two texts of a row, counted from 1, that are called duplicates, for people to look at."""

    row: int
    score: float
    text_a: str
    text_b: str


@dataclass(frozen=True, kw_only=True)
class PairColumnsResult:
    """The outcome of `dlcli dedupe --pair-columns`; the names are as in `DedupeResult`.

    Counts of pairs add up: duplicate + different + empty, of which a text is missing, = read. `surest` are the most probable
    duplicates whose texts are not equal after folding.
    """

    KIND: ClassVar[str] = "rows"

    source: str
    columns: tuple[str, ...]
    model: str
    threshold: float
    precision: Estimate | None
    rows_read: int
    rows_empty: int
    rows_duplicate: int
    rows_different: int
    surest: tuple[DuplicatePair, ...]
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The surest duplicates as flat records, for a terminal."""
        return [vars(pair) for pair in self.surest]
