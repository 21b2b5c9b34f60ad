"""Figures with their intervals, as cells of flat records."""

from types import SimpleNamespace

from dlcli.specs.estimates import Difference, Estimate, flat_all


def test_figures_become_three_cells_each_and_those_that_are_missing_too() -> None:
    row = SimpleNamespace(name="net", accuracy=Estimate(0.9, 0.8, 0.95, 10), gain=None, loss=Difference(-0.1, -0.3, 0.1, 10))
    assert list(flat_all(row, "accuracy", "gain", "loss").items()) == [
        *(("accuracy", 0.9), ("accuracy_low", 0.8), ("accuracy_high", 0.95)),
        *(("gain", None), ("gain_low", None), ("gain_high", None)),
        *(("loss", -0.1), ("loss_low", -0.3), ("loss_high", 0.1)),
    ]
