"""Options and results of `dlcli dedupe`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dlcli.specs import table_options
from dlcli.specs.cluster import cluster_option
from dlcli.specs.dedupe_index import check_forget
from dlcli.specs.estimates import Estimate
from dlcli.specs.option import check, one_of, option
from dlcli.specs.pairs import check_applicable, pair_columns_option
from dlcli.specs.parallel import cell_resume_option, cell_workers_option, check_parallel
from dlcli.specs.result import Result
from dlcli.specs.shared import device_option, output_option
from dlcli.support.errors import UsageError
from dlcli.support.tables import Table

MASKS = ("ids", "numbers", "times", "urls")
"""What `mask` may name."""
STRICT = "strict"
"""The value of `fold` for code and formulas."""
ADDED_COLUMNS = ("group", "group_size", "canonical", "duplicate_of", "score", "match", "why")
EARLIER_COLUMN = "duplicate_in"
"""Added after these with `index` or `against`: name of the table in which `duplicate_of` is a row."""
PAIR_COLUMNS = ("row_a", "row_b", "score", "cosine", "match", "why", "text_a", "text_b")
PAIR_VERDICT_COLUMNS = ("score", "verdict", "why")
VERDICTS = ("different", "duplicate")
LABEL_COLUMNS = ("question1", "question2", "is_duplicate", "score", "why", "stratum")
_PAIR_OPTIONS = (
    *("table", "pair_columns", "mask", "fold", "model", "threshold", "precision", "device", "fail_on_duplicates", "prefix"),
    *(*table_options.FIELDS, "excel_safe", "output"),
)
"""The options that apply with `pair_columns`."""
KEEP_RULES = ("central", "first", "longest", "max:COLUMN")
THRESHOLD, THRESHOLD_ALONE = 0.35, 0.75
"""Default of `threshold` in a table, with the highest F1 on tables that no model was fitted on, and where a pair is scored
alone, with a precision above 0.8 on labelled pairs; see docs/systems/duplicate-questions.md."""
LOWEST_COSINE = 0.3
"""Smallest value of `candidates`."""
LOWEST_PRECISION = 0.5
"""Smallest value of `precision`."""


def parse_masks(value: Any) -> tuple[str, ...]:
    """Parse comma-separated kinds of masks; raises ValueError if there is no such kind."""
    names = tuple(value) if isinstance(value, (list, tuple)) else tuple(str(value).split(",")) if value else ()
    for name in names:
        if name not in MASKS:
            raise ValueError(f"'{name}' is not one of {', '.join(MASKS)}")
    return tuple(sorted(set(names)))


@dataclass(frozen=True, kw_only=True)
class DedupeConfig:
    """Options of `dlcli dedupe`."""

    table: str | None = option(
        None,
        "Table to deduplicate: a csv, tsv, JSON, parquet or xlsx file, plain or .gz; - for standard input; questions for the "
        "bundled sample. Or a folder of images. Default: standard input, or the sample on a terminal.",
        argument=True,
        metavar="[TABLE]",
        reads=True,
    )
    column: str | None = option(
        None,
        "Text column to compare, or several (title,body), whose cells make one text. Default: detected, and printed.",
        metavar="NAME,...",
    )
    within: str | None = option(
        None,
        "Only rows with equal cells in this column, or in each of several, can be duplicates of each other: of one customer, "
        "in one language. A row that is blank there is in no group.",
        metavar="NAME,...",
    )
    pair_columns: tuple[str, ...] = pair_columns_option()
    mask: tuple[str, ...] = option(
        (),
        f"Compare texts with these parts masked, as logs and notices need it: one or more of {', '.join(MASKS)}; with "
        "numbers times are masked as well. Each part then counts as one word; by default every number counts, as in questions "
        "and products. Cells are not changed.",
        parse=parse_masks,
        show=",".join,
        metavar="KIND,...",
    )
    fold: str = option(
        "text",
        "What makes no difference. text: case, spacing and sentence punctuation. strict, for code and formulas: spacing and "
        "line breaks that do not separate words or operators; rows with the same words in another case or order or with other "
        "marks are no duplicates.",
        choices=one_of("text", STRICT),
    )
    model: Path | None = option(
        None,
        "Score pairs with the model in this run directory, which dlcli train fitted to pairs. Default: the built-in score.",
        metavar="DIR",
    )
    threshold: float | None = option(
        None,
        f"Smallest probability at which a pair is a duplicate. Default: {THRESHOLD:g}; {THRESHOLD_ALONE:g} with `model`, "
        "`index` or `pair_columns`, where the rest of the table does not count.",
        minimum=0,
        maximum=1,
        metavar="PROBABILITY",
    )
    precision: float | None = option(
        None,
        "Choose the smallest threshold with this precision (lower bound of the 95% interval), instead of `threshold`: in this "
        "table, by pairs that you labelled (`labelled`) or else as its probabilities let expect, or on held-out pairs with "
        "`model`, `index` or `pair_columns`. If none reaches it, exit with status 1 and report the best achievable precision.",
        minimum=LOWEST_PRECISION,
        maximum=1,
        metavar="PRECISION",
    )
    candidates: float | None = option(
        None,
        "Smallest cosine similarity at which a pair is scored. Default: all pairs of a small table; of a larger one the pairs "
        "that are most alike, as many as there is time for; with `index` the largest cosine that is chosen so. Lower values "
        "find more duplicates and take longer.",
        minimum=LOWEST_COSINE,
        maximum=1,
        metavar="COSINE",
    )
    vectors: str = option(
        "tfidf",
        "Vectors to compare texts by: tfidf (words and character n-grams), word2vec[:DIMENSIONS] (trained on the table, for "
        "thousands of rows), spacy:PACKAGE, static:FOLDER (model2vec) or sentence:PACKAGE_OR_FOLDER (sentence-transformers; "
        "the most accurate and slowest). Nothing is downloaded. Cosines are not comparable between kinds of vectors.",
        metavar="NAME",
    )
    device: str = device_option()
    keep_rule: str = option(
        "central",
        "Choose the canonical text of a group: the one with the most duplicates (central), of the first row (first), the "
        "longest one (longest; of images the one with most pixels), or of the row with the highest number or latest date in a "
        "column (max:COLUMN). Of images, central is the likely original: the one that shows what most others show, then with "
        "most pixels, then with the least lossy compression, then with more files of equal bytes, then the oldest.",
        metavar="|".join(KEEP_RULES),
    )
    max_group: int = option(1000, "Warn about groups of more rows than this.", minimum=1)
    index: Path | None = option(
        None,
        "Also compare with all earlier tables stored in this index, and add this table to it. Group ids persist.",
        metavar="DIR",
        writes=True,
    )
    key: str | None = option(
        None,
        "With `index`: column that identifies a row. A row replaces the stored row with the same key, from whatever table.",
        metavar="NAME",
    )
    replace: bool = option(False, "With `index`: first remove all rows that earlier runs stored from a table of this name.")
    forget: tuple[str, ...] = option(
        (),
        "With `index`: remove all rows of the table of this name, which need not exist any more. May be repeated. Without "
        "TABLE nothing else is done.",
        metavar="TABLE",
    )
    forget_keys: str | None = option(
        None,
        "With `index`: remove the rows whose keys are in the column `key` of this table. Without TABLE nothing else is done.",
        metavar="FILE",
        reads=True,
    )
    against: str | None = option(
        None,
        "Also mark rows that duplicate a row of this table, whose own rows are not printed. It is read with the same options. "
        "For a folder of images: another folder.",
        metavar="TABLE",
        reads=True,
    )
    against_column: str | None = option(
        None, "Text column of the table of `against`. Default: as in the table itself.", metavar="NAME,..."
    )
    against_encoding: str | None = table_options.encoding_option(of="the table of `against`", default="as `encoding`")
    keep: bool = option(False, "Print only the canonical rows.")
    pairs: bool = option(
        False,
        "Print pairs of exact and near duplicates instead of rows, with their probability and an explanation. Rows with equal "
        "texts, or files with equal bytes, are in one pair each, with the first of them, which stands for all in other pairs.",
    )
    label: int | None = option(
        None,
        "Print N pairs drawn at random instead of rows, half of them at or above the threshold and half from half of it on, "
        "with an empty column is_duplicate to fill in (1 or 0). `labelled` estimates the precision from the completed table, "
        "and dlcli train learns from it.",
        minimum=1,
        metavar="N",
    )
    labelled: Path | None = option(
        None,
        "Pairs of this table that `label` printed, with is_duplicate filled in. From them the precision in this table is "
        "estimated (at the threshold, or for `precision` to choose it), and which fraction of the duplicates is found.",
        metavar="FILE",
        reads=True,
    )
    review: Path | None = option(
        None,
        "Write an HTML page for labelling pairs: the most uncertain first, with an adjustable threshold and label export.",
        metavar="FILE",
        writes=True,
    )
    fail_on_duplicates: bool = option(False, "Exit with status 1 if any row is a duplicate.")
    prefix: str = option(
        "", "Prefix for the names of the added columns, if the table already has columns of these names.", metavar="TEXT"
    )
    encoding: str | None = table_options.encoding_option()
    delimiter: str | None = table_options.delimiter_option()
    quoting: str | None = table_options.quoting_option()
    skip: int = table_options.skip_option()
    no_header: bool = table_options.no_header_option()
    max_cell: int = table_options.max_cell_option()
    skip_bad: Path | None = table_options.skip_bad_option()
    sheet: str | None = table_options.sheet_option()
    excel_safe: bool = option(
        False,
        "Put an apostrophe before cells that begin with = + - @, tab or CR, which a spreadsheet would execute as formulas "
        "(csv and tsv only).",
    )
    workers: int | None = cell_workers_option()
    cluster: str | None = cluster_option()
    resume: bool = cell_resume_option()
    output: Path | None = output_option(
        "Write the rows to this file instead (.csv, .tsv, .jsonl, .parquet, or .gz of them).", "FILE"
    )

    def __post_init__(self) -> None:
        check(self)
        rule, colon, column = self.keep_rule.partition(":")
        if not (column if rule == "max" else not colon and rule in KEEP_RULES):
            raise UsageError(f"`keep_rule`: '{self.keep_rule}' is not one of {', '.join(KEEP_RULES)}")
        self._check_rows()
        if self.pair_columns:
            check_applicable(self, _PAIR_OPTIONS, "`pair_columns`")
        if self.precision is not None and self.threshold is not None:
            raise UsageError("`precision` and `threshold` cannot be combined", hint="use one of them")
        if self.review is not None and self.review.suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"`review`: '{self.review}' does not end in .html", hint="for example `review=review.html`")
        self._check_earlier()
        check_forget(self)
        check_parallel(self)
        table_options.check_table_options(self)
        for name in ("against_column", "against_encoding"):
            if getattr(self, name) is not None and self.against is None:
                raise UsageError(f"`{name}` needs `against`")

    def _check_rows(self) -> None:
        modes = [name for name in ("keep", "pairs", "label") if getattr(self, name)]
        if len(modes) > 1:
            raise UsageError(f"{' and '.join(f'`{name}`' for name in modes)} cannot be combined", hint="use one of them")
        if self.prefix and modes and modes != ["keep"]:
            raise UsageError(f"`prefix` has no effect: `{modes[0]}` adds no columns to the table", hint="omit `prefix`")

    def _check_earlier(self) -> None:
        earlier = "index" if self.index else "against"
        if self.index and self.against:
            raise UsageError("`index` and `against` cannot be combined", hint="use one of them")
        for other in ("pairs", "label", "labelled", "review"):
            if self.has_earlier and getattr(self, other):
                raise UsageError(f"`{earlier}` and `{other}` cannot be combined", hint=f"omit `{other}`")
        for name in ("key", "replace", "forget", "forget_keys"):
            if getattr(self, name) and not self.index:
                raise UsageError(f"`{name}` needs `index`")
        if self.index and self.keep_rule.startswith("max:"):
            # The index stores the compared texts only, so earlier rows have no value to order by.
            hint = "use `keep_rule=central`, `keep_rule=first` or `keep_rule=longest`"
            raise UsageError("`keep_rule=max:COLUMN` does not apply to `index`, which stores no other columns", hint=hint)

    @property
    def only_forgets(self) -> bool:
        """Whether rows are removed from an index, and there is no table to add."""
        return self.table is None and bool(self.forget or self.forget_keys)

    @property
    def has_earlier(self) -> bool:
        """Whether rows of earlier tables take part."""
        return self.index is not None or self.against is not None


@dataclass(frozen=True, kw_only=True)
class DuplicateGroup:
    """A group of duplicates, as the summary on a terminal shows it.

    Attributes:
        size: Number of rows, with those of earlier tables.
        canonical_row: Row number of the canonical row in its table, from 1.
        canonical_text: Its text.
        example_text: The text of the member with the lowest score.
        example_score: That score: the probability that it duplicates the canonical text.
    """

    size: int
    canonical_row: int
    canonical_text: str
    example_text: str
    example_score: float


@dataclass(frozen=True)
class Unscored:
    """Duplicates that are expected among the pairs next most alike to those that were scored.

    Attributes:
        pairs: Number of these pairs.
        cosine_from: Smallest cosine of one.
        duplicates: How many of them would be called duplicates, as a random sample lets expect.
        low: Lower bound of the 95% interval.
        high: Upper bound.
        sampled: Size of the sample.
    """

    pairs: int
    cosine_from: float
    duplicates: int
    low: int
    high: int
    sampled: int


@dataclass(frozen=True, kw_only=True)
class DedupeResult(Result, command="dedupe"):
    """Result of `dlcli dedupe`; canonical + exact + masked + near + empty = read.

    Attributes:
        source: Name of the table.
        column: The text column, or several with commas between them.
        within: The columns in which duplicates have equal cells, "" without the option.
        vectors: Vectors that texts were compared by.
        model: Run directory of the scorer, "" for the built-in score.
        candidates_from: Smallest cosine of a candidate pair.
        threshold: Smallest probability of a duplicate.
        precision: Precision at `threshold`, if the option `precision` chose it or `labelled` gives enough pairs.
        precision_of: What it is the precision of.
        labelled_found: With `labelled`: of the duplicates among pairs with a probability of `labelled_from` or more, the
            fraction at or above `threshold`.
        labelled_from: The smallest probability of a pair that could be labelled.
        keep_rule: Rule that chose the canonical texts.
        rows_read: Number of rows.
        rows_empty: Rows without text, or blank in a column of `within`, which are in no group.
        rows_exact: Duplicates whose text equals the canonical text after folding.
        rows_masked: Other duplicates whose text equals it once both are masked.
        rows_near: Other duplicates.
        matches: Duplicates by their match with the canonical text, as in the column `match`: exact, folded, masked, lexical and
            semantic.
        rows_canonical: Canonical rows with text; each row without text is canonical as well, in the column `canonical`.
        groups: Number of groups with a duplicate.
        oversized_groups: Groups of more than `max_group` rows.
        candidates: Number of pairs of distinct texts that were scored.
        pairs: Number of these that are duplicates, plus the repeated rows of equal texts.
        recall: Where the search may miss pairs, the fraction of those with a cosine of `candidates_from` or more, found by
            brute force for a sample of texts, that are among the candidates; the interval is by text. With `index` or `against`
            the sample is of new texts. None after an exact search.
        unscored: Duplicates expected among the pairs next most alike, which were not scored; None if all pairs were, if
            `candidates` was given, or of a large table.
        largest: The largest groups.
        seconds: Wall-clock time.
        table: The output table.
        notes: Remarks on the result.
        failed: Why a requested check failed, "" if none did.
    """

    KIND: ClassVar[str] = "rows"

    source: str
    column: str
    within: str
    vectors: str
    model: str
    candidates_from: float
    threshold: float
    precision: Estimate | None
    precision_of: str
    labelled_found: Estimate | None
    labelled_from: float | None
    keep_rule: str
    rows_read: int
    rows_empty: int
    rows_exact: int
    rows_masked: int
    rows_near: int
    matches: dict[str, int]
    rows_canonical: int
    groups: int
    oversized_groups: int
    candidates: int
    pairs: int
    recall: Estimate | None
    unscored: Unscored | None
    largest: tuple[DuplicateGroup, ...]
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The largest groups as flat rows."""
        return [vars(group) for group in self.largest]


@dataclass(frozen=True, kw_only=True)
class DuplicatePair:
    """Two texts of one row that are duplicates; `row` counts from 1 and `score` is their probability."""

    row: int
    score: float
    text_a: str
    text_b: str


@dataclass(frozen=True, kw_only=True)
class PairColumnsResult(Result, command="dedupe"):
    """Result of `dlcli dedupe` with `pair_columns`; other names are as in `DedupeResult`.

    Attributes:
        columns: The two text columns.
        rows_read: Number of pairs; duplicate + different + empty.
        rows_empty: Pairs of which a text is missing.
        rows_duplicate: Pairs at or above the threshold.
        rows_different: Pairs below it.
        most_probable: The most probable duplicates whose texts differ after folding.
    """

    KIND: ClassVar[str] = "rows"

    source: str
    columns: tuple[str, ...]
    model: str
    threshold: float
    precision: Estimate | None
    precision_of: str
    rows_read: int
    rows_empty: int
    rows_duplicate: int
    rows_different: int
    most_probable: tuple[DuplicatePair, ...]
    seconds: float
    table: Table = field(repr=False)
    notes: tuple[str, ...] = ()
    failed: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The most probable duplicates as flat rows."""
        return [vars(pair) for pair in self.most_probable]
