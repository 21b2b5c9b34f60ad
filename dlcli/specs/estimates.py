"""A measured figure never travels alone: it brings its interval, or why it has none, and the number of examples behind it."""

from dataclasses import dataclass

_MOST_DECIMALS = 9
"""Behind the point of an end of an interval; a smaller one is written as 2e-12."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval [low, high] from n examples."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return in_decimals(self)


@dataclass(frozen=True, kw_only=True)
class PointEstimate:
    """A figure of which n examples allow no interval, and why: `low` and `high` are null in JSON and empty in CSV."""

    value: float
    low: None = None
    high: None = None
    n: int
    why: str

    def __str__(self) -> str:
        return in_decimals(self)


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

    @property
    def verdict(self) -> str:
        """`established` or `not established`."""
        return "established" if self.established else "not established"

    def __str__(self) -> str:
        return in_decimals(self)

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


def in_decimals(figure: Estimate | PointEstimate | Difference, decimals: int = 3) -> str:
    """`0.963 [0.945, 0.976]`, with signs if it is a difference."""
    sign = "+" if isinstance(figure, Difference) else ""
    value = f"{figure.value + 0.0:{sign}.{decimals}f}"
    if isinstance(figure, PointEstimate):
        return f"{value} (no interval: {figure.why})"
    low, high = (rounded_end(end, decimals, sign) for end in (figure.low, figure.high))
    return f"{value} [{low}, {high}]"


def apart_from(figure: Estimate | PointEstimate | Difference, part: float, bound: float) -> str:
    """The figure in as many decimals as tell one of its parts from a bound: `0.9496 [..]` is below 0.95, and `0.950` is not.

    Args:
        figure: The figure.
        part: Its value or an end of its interval.
        bound: What that is compared with.
    """
    decimals = (k for k in range(3, _MOST_DECIMALS + 1) if f"{part:.{k}f}" != f"{bound:.{k}f}")
    return in_decimals(figure, next(decimals, 3) if part != bound else 3)


def rounded_end(end: float, decimals: int, sign: str = "") -> str:
    """An end of an interval in digits that tell on which side of 0 it lies: `-0.008` where `-0.0` would not.

    Args:
        end: The end.
        decimals: Digits behind the point, unless it would round to 0.
        sign: `+` for the ends of a difference. Of others an end just above 0 is rounded to 0, for shares lie nowhere else.
    """
    if not end or round(end, decimals) or not (sign or end < 0):
        return f"{round(end, decimals) + 0.0:{sign}.{decimals}f}"  # + 0.0: no minus before a zero
    enough = next((k for k in range(decimals + 1, _MOST_DECIMALS + 1) if round(end, k)), None)
    return f"{end:{sign}.0e}" if enough is None else f"{end:{sign}.{enough}f}"


def flat(name: str, figure: Estimate | PointEstimate | Difference | None) -> dict[str, float | None]:
    """A figure as three cells of a flat record: `name`, `name_low` and `name_high`."""
    ends = (figure.value, figure.low, figure.high) if figure else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def flat_all(row: object, *names: str) -> dict[str, float | None]:
    """The figures of `row` that are so named, one after the other, each as `flat` gives it."""
    return {cell: value for name in names for cell, value in flat(name, getattr(row, name)).items()}
