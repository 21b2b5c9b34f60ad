"""Figures with their intervals as a terminal shows them: shares in percent, differences of shares in points.

In cells of a table the unit stands in the head of the column: `96.3 [94.5, 97.6]`. In a sentence it stands behind the figure:
`96.3% [94.5, 97.6]`, `+0.7 points [-1.1, +2.5]`.
"""

from dlcli.specs.estimates import Difference, Estimate, PointEstimate, rounded_end

EXPLAINED = "Intervals in brackets are 95% intervals; a difference is established if its interval excludes 0."
"""What stands below figures, on pages and on a terminal."""

_LEAST, _MOST = 1e-3, 1e6
"""Numbers from one to below the other are written with a fixed number of decimals, others with significant digits."""

Figure = Estimate | PointEstimate | Difference


def percent(figure: Figure | None, unit: str = "") -> str:
    """`96.3 [94.5, 97.6]`, with a sign if it is a difference and `unit` after the value; empty for None."""
    return scaled(figure, 100, unit=unit)


def points(figure: Difference) -> str:
    """`+0.7 points [-1.1, +2.5]`."""
    return percent(figure, " points")


def scaled(figure: Figure | None, scale: float = 1, decimals: int = 1, unit: str = "") -> str:
    """The figure in other units than those of its value.

    Args:
        figure: The figure; None gives "".
        scale: What it is multiplied with: 100 for percent.
        decimals: Digits behind the point, of the value and of the ends of its interval; an end near 0 has those that tell its
            sign (`rounded_end`).
        unit: What stands behind the value.

    Returns:
        `96.3 [94.5, 97.6]`, with a sign if it is a difference.
    """
    if figure is None:
        return ""
    sign = "+" if isinstance(figure, Difference) else ""
    value = _rounded(figure.value, scale, decimals, sign)
    if isinstance(figure, PointEstimate):
        return f"{value}{unit} (no interval: {figure.why})"
    low, high = (rounded_end(scale * end, decimals, sign) for end in (figure.low, figure.high))
    return f"{value}{unit} [{low}, {high}]"


def in_units(figure: Figure | None) -> str:
    """A figure in the units of the data, whatever their size: `3.108 [2.518, 3.836]`, or `1.26e-09 [7.93e-10, 1.99e-09]`."""
    if figure is None:
        return ""
    ends = () if isinstance(figure, PointEstimate) else (figure.low, figure.high)
    if not _extreme(max(map(abs, (figure.value, *ends)))):
        return scaled(figure, decimals=3)
    sign = "+" if isinstance(figure, Difference) else ""
    if isinstance(figure, PointEstimate):
        return f"{figure.value:{sign}.4g} (no interval: {figure.why})"
    return f"{figure.value:{sign}.4g} [{figure.low:{sign}.4g}, {figure.high:{sign}.4g}]"


def number_in_units(value: float, decimals: int = 2) -> str:
    """A number in the units of the data: `3.11`, or with four significant digits where it is too large or small."""
    return f"{value:.4g}" if _extreme(value) else f"{value:.{decimals}f}"


def in_millions(number: int) -> str:
    """A large number as `12.3 million`, in full below a million."""
    return f"{number / 1e6:,.4g} million" if number >= 1_000_000 else f"{number:,}"


def _extreme(value: float) -> bool:
    return value != 0 and not _LEAST <= abs(value) < _MOST


def _rounded(value: float, scale: float, decimals: int, sign: str) -> str:
    return f"{round(scale * value, decimals) + 0.0:{sign}.{decimals}f}"  # + 0.0: no minus before a zero
