"""`eval --against`: two classifiers on the same examples."""

from dataclasses import dataclass
from typing import Any

from dlcli.specs.estimates import Difference, Estimate
from dlcli.specs.option import option

DIFFERENCE = "difference"
"""Name of the difference in `fail_under`."""
FIXED, BROKEN = "fixed", "broken"


def against_option() -> Any:
    """`against`: what the network is compared with."""
    return option(
        None,
        "Compare with this network, run directory or table of predictions on the same examples: the paired difference of "
        "accuracies, by class and slice, and which examples changed. A table is matched by its files, else by its rows.",
        metavar="OLD",
        reads=True,
        names_code=True,
    )


def no_worse_option() -> Any:
    """`no_worse`: how much worse a network may be."""
    return option(
        None,
        "With `against`: exit with status 1 unless the whole 95% interval of the difference is above -MARGIN, for all "
        "examples and for each slice of `slices`: 0.005 is half a point.",
        above=0,
        below=1,
        metavar="MARGIN",
    )


@dataclass(frozen=True, kw_only=True)
class Flip:
    """An example that one classifier is right on and the other is not.

    Attributes:
        index: Its index, from 0.
        file: Its file; empty without files.
        change: `fixed` if the new one is right, `broken` if the old one was.
        true: Its class.
        old: What the old one predicts.
        new: What the new one predicts.
        old_probability: Of that prediction; None if it is not known.
        new_probability: The same of the new one.
    """

    index: int
    file: str
    change: str
    true: str
    old: str
    new: str
    old_probability: float | None
    new_probability: float | None


@dataclass(frozen=True, kw_only=True)
class ComparedPart:
    """Both classifiers on the examples of a class or slice.

    Attributes:
        column: `class`, or the metadata column.
        name: Its value.
        new: Accuracy of the new one.
        old: Accuracy of the old one.
        difference: New minus old, paired.
        fixed: Examples that only the new one is right on.
        broken: Examples that only the old one is right on.
        p: P-value, corrected by Holm for all parts.
        status: `better`, `worse` or `not established`.
    """

    column: str
    name: str
    new: Estimate
    old: Estimate
    difference: Difference
    fixed: int
    broken: int
    p: float
    status: str


@dataclass(frozen=True, kw_only=True)
class ClassifierComparison:
    """Two classifiers on the same examples.

    Attributes:
        against: Name of the old one.
        against_sha256: SHA-256 of its weights, or of the table.
        new: Accuracy of the new one.
        old: Accuracy of the old one.
        difference: New minus old, paired; established if its interval excludes 0.
        p: P-value of McNemar's exact test, or with groups of exchanging both within groups, beside that verdict.
        fixed: Examples that only the new one is right on.
        broken: Examples that only the old one is right on.
        parts: The same by class and slice.
        flips: The first of both kinds, those with the most confident wrong predictions first.
        margin: That of `no_worse`; None without it.
        power: How often two equally good classifiers that differ on as many examples pass that gate, in [0, 1].
        needed: Examples with which they pass in four of five test sets.
    """

    against: str
    against_sha256: str
    new: Estimate
    old: Estimate
    difference: Difference
    p: float
    fixed: int
    broken: int
    parts: tuple[ComparedPart, ...]
    flips: tuple[Flip, ...]
    margin: float | None = None
    power: float | None = None
    needed: int | None = None


def compared_rows(found: ClassifierComparison) -> list[dict[str, Any]]:
    """Flat records: all examples, then classes and slices."""
    whole = {"column": "", "name": "all", "p": found.p, "status": found.difference.verdict, "of": found}
    rows = [
        whole,
        *({"column": one.column, "name": one.name, "p": one.p, "status": one.status, "of": one} for one in found.parts),
    ]
    return [_record(row) for row in rows]


def _record(row: dict[str, Any]) -> dict[str, Any]:
    one = row["of"]
    return {
        "column": row["column"],
        "name": row["name"],
        "difference": one.difference.value,
        "low": one.difference.low,
        "high": one.difference.high,
        "n": one.difference.n,
        "new": one.new.value,
        "old": one.old.value,
        "fixed": one.fixed,
        "broken": one.broken,
        "p": row["p"],
        "status": row["status"],
    }
