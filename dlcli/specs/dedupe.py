"""What `dlcli dedupe` takes and gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs.estimates import Estimate
from dlcli.specs.option import check, option
from dlcli.specs.shared import output_option
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table

ADDED_COLUMNS = ("group", "canonical", "duplicate_of", "score")
PAIR_COLUMNS = ("row_a", "row_b", "score", "probability", "match", "why", "text_a", "text_b")


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
    threshold: float = option(0.85, "The smallest score (cosine) of a near duplicate.", minimum=0.3, maximum=1)
    vectors: str = option(
        "tfidf",
        "What is compared: tfidf (words and character n-grams), word2vec[:DIMENSIONS] (trained on the table itself, for "
        "thousands of rows), spacy:PACKAGE, static:FOLDER (model2vec) or sentence:PACKAGE_OR_FOLDER (sentence-transformers; "
        "the best and slowest). Nothing is fetched; a threshold means something else for each.",
        metavar="NAME",
    )
    keep: bool = option(False, "Print the canonical rows only.")
    pairs: bool = option(
        False, "Print the pairs of near and exact duplicates instead of the rows, with how probably they ask the same, and why."
    )
    fail_on_duplicates: bool = option(False, "Exit with status 1 if any row is a duplicate.")
    prefix: str = option("", "Put before the names of the added columns, if the table has such names already.", metavar="TEXT")
    encoding: str = option("utf-8", "The text encoding of the input.", metavar="NAME")
    delimiter: str | None = option(
        None, "What separates cells; left out, comma, semicolon, tab or bar is found.", metavar="CHAR"
    )
    max_cell: int = option(1_000_000, "Refuse cells longer than this many characters.", minimum=1)
    output: Path | None = output_option(
        "Write the rows to this file instead (.csv, .tsv, .jsonl, .parquet, or .gz of them).", "FILE"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.keep and self.pairs:
            raise UsageError("--keep and --pairs do not go together", hint="ask for one of them")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise UsageError(f"--delimiter: '{self.delimiter}' is not one character")


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group of duplicates, for people to look at."""

    size: int
    canonical_row: int
    canonical_text: str
    example_text: str
    example_score: float


@dataclass(frozen=True, kw_only=True)
class DedupeResult:
    """The outcome of `dlcli dedupe`.

    `rows_` counts add up: canonical + exact + near + empty = read. `recall` is the share of the pairs at or above the
    threshold, found by brute force for a sample of rows, that the search for neighbours found too.
    """

    KIND: ClassVar[str] = "rows"

    source: str
    column: str
    vectors: str
    threshold: float
    rows_read: int
    rows_empty: int
    rows_exact: int
    rows_near: int
    rows_canonical: int
    groups: int
    pairs: int
    recall: Estimate | None
    largest: tuple[Group, ...]
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The largest groups as flat records, for a terminal."""
        return [vars(group) for group in self.largest]
