"""Figures with their intervals as a terminal shows them: shares in percent, differences of shares in points.

In cells of a table the unit stands in the head of the column: `96.3 [94.5, 97.6]`. In a sentence it stands behind the figure:
`96.3% [94.5, 97.6]`, `+0.7 points [-1.1, +2.5]`.
"""

from dlcli.specs.estimates import Difference, Estimate, PointEstimate

EXPLAINED = "Intervals in brackets are 95% intervals; a difference is established if its interval excludes 0."
"""What stands below figures, on pages and on a terminal."""

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
        decimals: Digits behind the point, of the value and of the ends of its interval.
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
    low, high = (_rounded(end, scale, decimals, sign) for end in (figure.low, figure.high))
    return f"{value}{unit} [{low}, {high}]"


def _rounded(value: float, scale: float, decimals: int, sign: str) -> str:
    return f"{round(scale * value, decimals) + 0.0:{sign}.{decimals}f}"  # + 0.0: no minus before a zero
