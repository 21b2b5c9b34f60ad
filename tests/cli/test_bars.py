"""Progress bars stay on one line, whose counts are whole."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from dlcli.cli.bars import MOST_CELLS, ProgressBars, Widths, fit


def drawn(columns: int, *tasks: tuple[str, int, int, str]) -> list[str]:
    """The lines of bars: of each its label, the steps done, all steps and the status."""
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    bars = ProgressBars(console)
    for label, done, total, status in tasks:
        bars.add_task(label, total=total, completed=done, status=status)
    with console.capture() as captured:
        console.print(bars.get_renderable())
    return captured.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize(
    "task",
    [
        ("training digits-net, steps", 798, 5700, "epoch 42/300, loss 0.0162"),
        ("training networks", 1, 6, "digits-net, 300 epochs, seed 0, the second of the two variants compared"),
        ("Bilder \u6570\u5b57 " * 9, 99_999, 1_000_000, ""),
    ],
)
def test_a_bar_is_one_line_with_whole_counts(columns: int, task: tuple[str, int, int, str]):
    (line,) = drawn(columns, task)
    assert cell_len(line) <= min(columns, MOST_CELLS)
    assert f"{task[1]} of {task[2]}" in " ".join(line.split())


def test_two_bars_are_two_lines():
    lines = drawn(80, ("training networks", 1, 6, ""), ("training digits-net, steps", 798, 5700, "epoch 42/300, loss 0.0162"))
    assert len(lines) == 2 and "1 of 6" in " ".join(lines[0].split()) and "798 of 5700" in lines[1]


def test_the_bar_is_shortened_before_the_time_is_dropped():
    whole = Widths(26, 20, 12, 7, 25)
    assert fit(whole, 94) == fit(whole, 200) == whole
    assert fit(whole, 80) == whole._replace(bar=6)
    assert fit(whole, 78) == whole._replace(left=0, bar=12)


@given(st.tuples(*[st.integers(0, 60)] * 5), st.integers(60, 200))
def test_every_line_fits_and_never_cuts_the_counts(parts: tuple[int, ...], cells: int):
    natural = Widths(*parts)
    found = fit(natural, cells)
    shown = [one for one in found if one]
    assert sum(shown) + len(shown) - 1 <= cells and found.done == natural.done
