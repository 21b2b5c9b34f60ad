"""Figures with their intervals, as cells of flat records and as text."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.specs.estimates import Difference, Estimate, PointEstimate, flat_all, rounded_end
from dlcli.specs.figures import in_units, percent, points
from dlcli.specs.gate import gate
from dlcli.support.errors import InputError


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


@given(st.floats(-1, 1), st.integers(0, 4))
def test_an_end_of_a_difference_shows_on_which_side_of_0_it_lies(end: float, decimals: int):
    shown = rounded_end(end, decimals, "+")
    assert (float(shown) > 0, float(shown) < 0) == (end > 0, end < 0)
    assert shown[0] == ("-" if end < 0 else "+")
    assert float(shown) == pytest.approx(end, abs=0.5 * 10**-decimals * 1.001)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (points(Difference(-0.015, -0.0299, -0.00006, 599)), "-1.5 points [-3.0, -0.01]"),
        (percent(Difference(0.02, 0.0002, 0.03, 9)), "+2.0 [+0.02, +3.0]"),
        (str(Difference(-0.015, -0.03, -0.0002, 599)), "-0.015 [-0.030, -0.0002]"),
        (str(Difference(0.0, 0.0, 2e-12, 3)), "+0.000 [+0.000, +2e-12]"),
        (str(Estimate(0.2, -0.0004, 0.3, 9)), "0.200 [-0.0004, 0.300]"),
        (percent(Estimate(0.0, 0.0, 0.00001, 9)), "0.0 [0.0, 0.0]"),
    ],
)
def test_digits_that_tell_the_sign(text: str, shown: str):
    assert text == shown


@given(st.floats(0, 1), st.floats(0.01, 0.99), st.booleans())
def test_a_gate_that_fails_shows_a_figure_below_its_bound(value: float, bound: float, established: bool):
    figure = Estimate(value, value / 2, value, 50)
    wanted = gate(("top-1", bound, "established") if established else ("top-1", bound))
    if not wanted.fails(figure):
        return
    shown = wanted.below(figure).split(",")[0]
    if bound - value > 1e-8:
        assert float(shown.partition(" ")[0]) < float(f"{bound:.9f}")


@pytest.mark.parametrize("value", [0.5, 0.89, 0.9, 1.0])
def test_without_an_interval_nothing_tells_whether_a_figure_is_established_to_be_below(value: float):
    figure = PointEstimate(value=value, n=9, why="a class has 2 examples")
    assert gate(("macro-f1", 0.9)).fails(figure) == (value < 0.9)
    established = gate(("macro-f1", 0.9, "established"))
    if value >= 0.9:
        assert not established.fails(figure)
        return
    with pytest.raises(InputError, match=r"macro-f1 is 0\.\d+ \(no interval: a class has 2 examples\), so that nothing tells"):
        established.fails(figure)
