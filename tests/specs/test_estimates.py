"""Figures with their intervals, as cells of flat records and as text."""

from types import SimpleNamespace

import pytest

from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all
from dlcli.specs.figures import in_units


def test_figures_become_three_cells_each_and_those_that_are_missing_too() -> None:
    row = SimpleNamespace(name="net", accuracy=Estimate(0.9, 0.8, 0.95, 10), gain=None, loss=Difference(-0.1, -0.3, 0.1, 10))
    assert list(flat_all(row, "accuracy", "gain", "loss").items()) == [
        *(("accuracy", 0.9), ("accuracy_low", 0.8), ("accuracy_high", 0.95)),
        *(("gain", None), ("gain_low", None), ("gain_high", None)),
        *(("loss", -0.1), ("loss_low", -0.3), ("loss_high", 0.1)),
    ]


@pytest.mark.parametrize(
    "figure, text",
    [
        (Estimate(3.108, 2.518, 3.836, 72), "3.108 [2.518, 3.836]"),
        (Estimate(1.2569e-9, 7.932e-10, 1.9917e-9, 12), "1.257e-09 [7.932e-10, 1.992e-09]"),
        (Difference(2.5e9, -1e9, 6e9, 12), "+2.5e+09 [-1e+09, +6e+09]"),
        (Difference(0.0002, -0.5, 0.5, 12), "+0.000 [-0.500, +0.500]"),
        (Estimate(0.0, 0.0, 0.0, 12), "0.000 [0.000, 0.000]"),
        (PointEstimate(value=2e-5, n=3, why="3 examples"), "2e-05 (no interval: 3 examples)"),
    ],
)
def test_figures_in_units_of_the_data_keep_their_digits(figure: Estimate | Difference | PointEstimate, text: str):
    assert in_units(figure) == text
