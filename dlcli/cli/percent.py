"""Figures in percent with their intervals, as tables on a terminal show them."""

from dlcli.specs.estimates import Difference, Estimate, PointEstimate


def percent(figure: Estimate | PointEstimate | Difference | None, unit: str = "") -> str:
    """`96.3 [94.5, 97.6]`, with a sign if it is a difference and `unit` after the value; empty for None."""
    if figure is None:
        return ""
    if isinstance(figure, PointEstimate):
        return f"{100 * figure.value:.1f}{unit} (no interval: {figure.why})"
    sign = "+" if isinstance(figure, Difference) else ""
    value, low, high = (f"{100 * end:{sign}.1f}" for end in (figure.value, figure.low, figure.high))
    return f"{value}{unit} [{low}, {high}]"
