"""A measured figure never travels alone: it brings its interval, or why it has none, and the number of examples behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval [low, high] from n examples."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, kw_only=True)
class PointEstimate:
    """A figure of which n examples allow no interval, and why: `low` and `high` are null in JSON and empty in CSV."""

    value: float
    low: None = None
    high: None = None
    n: int
    why: str

    def __str__(self) -> str:
        return f"{self.value:.3f} (no interval: {self.why})"


@dataclass(frozen=True)
class Difference:
    """A difference with its 95% interval from n examples (pairs, or both samples); `established` if that excludes zero."""

    value: float
    low: float
    high: float
    n: int

    @property
    def established(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    def __neg__(self) -> "Difference":
        return Difference(-self.value, -self.high, -self.low, self.n)


@dataclass(frozen=True)
class Ceiling:
    """How well raters agree, which bounds how well predictions can agree with them.

    No prediction correlates (Pearson) with the mean rating by more than the square root of `mean_reliability`, on average.

    Attributes:
        raters: Number of raters.
        ratings_per_example: Their harmonic mean over examples, k.
        one_against_rest: `spearman` and `pearson` of one rater with the mean of the others, the mean over raters, in [-1, 1].
        mean_reliability: Reliability of the mean of k ratings, in [0, 1], by Spearman and Brown (1910).
        icc_single: ICC(2,1) of Shrout and Fleiss (1979): absolute agreement of one rater; None if a rating is missing.
        icc_mean: ICC(2,k): that of the mean of all raters; None if a rating is missing.
    """

    raters: int
    ratings_per_example: float
    one_against_rest: dict[str, Estimate | PointEstimate]
    mean_reliability: Estimate | PointEstimate
    icc_single: Estimate | PointEstimate | None
    icc_mean: Estimate | PointEstimate | None


def flat(name: str, figure: Estimate | PointEstimate | Difference | None) -> dict[str, float | None]:
    """A figure as three cells of a flat record: `name`, `name_low` and `name_high`."""
    ends = (figure.value, figure.low, figure.high) if figure else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def flat_all(row: object, *names: str) -> dict[str, float | None]:
    """The figures of `row` that are so named, one after the other, each as `flat` gives it."""
    return {cell: value for name in names for cell, value in flat(name, getattr(row, name)).items()}
