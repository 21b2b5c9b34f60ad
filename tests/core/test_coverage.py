"""How often the printed intervals hold the truth, by simulation: every figure, extremes included.

Each bound is the least coverage that a figure must have, less three standard errors of the simulation. `benchmarks/coverage.py`
runs the same simulations for longer, and writes the table of docs/statistics.md.
"""

import pytest

from benchmarks._coverage import FIGURES


@pytest.mark.slow
@pytest.mark.parametrize(("figure", "setting"), [(f, s) for f in FIGURES for s in f.settings], ids=str)
def test_the_interval_covers(figure, setting):
    found = figure.simulate(setting, figure.runs, seed=0)
    assert found.n > 0, "no run gave an interval"
    assert found.rate >= figure.least - 3 * found.error, found
    assert found.rate <= figure.most + 3 * found.error, found
