"""How figures of predicted scores are written, on a terminal and on pages alike."""

from dlcli.specs.figures import in_units, number_in_units, scaled
from dlcli.specs.scores import ERRORS, Figure, ScoreThird
from dlcli.specs.train_result import Comparison

METRICS = {"spearman": "Spearman", "pearson": "Pearson", "kendall": "Kendall tau-b", "mae": "MAE", "rmse": "RMSE"}
"""What metrics are called, by the names that results have."""
_COARSE = ("seconds", "epochs to level")
"""Metrics of a comparison that are written with one decimal."""


def metric_text(name: str, figure: Figure | None) -> str:
    """The metric `name`: a correlation with three decimals, an error in units of the score; a dash for none."""
    if figure is None:
        return "–"
    return in_units(figure) if name in ERRORS else scaled(figure, decimals=3)


def third_text(third: ScoreThird) -> str:
    """`scores 0 to 10`, or `score 3`."""
    return f"score {third.low:g}" if third.low == third.high else f"scores {third.low:g} to {third.high:g}"


def difference_text(one: Comparison) -> str:
    """The difference of a comparison, in units of its metric."""
    return in_units(one.difference) if _is_error(one) else scaled(one.difference, decimals=_decimals(one))


def side_text(one: Comparison, value: float) -> str:
    """What one side of a comparison has."""
    return number_in_units(value, _decimals(one)) if _is_error(one) else f"{value:.{_decimals(one)}f}"


def _decimals(one: Comparison) -> int:
    return 1 if one.metric in _COARSE else 3


def _is_error(one: Comparison) -> bool:
    return any(METRICS[name] in one.metric for name in ERRORS)
