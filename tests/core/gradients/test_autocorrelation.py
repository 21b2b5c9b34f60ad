from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.gradients.autocorrelation import brownian_noise, correlate, mean_cosine, verdict, white_band, white_noise
from dlcli.engines.probe_gradients.path_gradients import PathGradients, gradient_row


def by_definition(series):
    centred = series - series.mean(0)
    whole = (centred * centred).sum()
    return [(centred[: len(centred) - k] * centred[k:]).sum() / whole for k in range(len(series) // 2 + 1)]


@given(st.integers(8, 60), st.integers(1, 4), st.integers(0, 1000))
def test_the_curve_is_the_sum_of_products_by_lag(points, dimensions, seed):
    series = white_noise(points, seed, dimensions=dimensions)
    np.testing.assert_allclose(correlate(series).curve, by_definition(series), atol=1e-12)


def test_it_knows_no_scale_shift_or_rotation():
    series = brownian_noise(64, 3, dimensions=3)
    turn = np.linalg.qr(white_noise(3, 1, dimensions=3))[0]
    one, other = correlate(series), correlate(1000 * series @ turn + 7)
    np.testing.assert_allclose(one.curve, other.curve, atol=1e-9)
    assert one.slope == pytest.approx(other.slope, abs=1e-6)
    assert one.length == pytest.approx(other.length, abs=1e-6)


def test_white_noise_has_minus_one_over_n_and_a_flat_spectrum():
    found = [correlate(white_noise(256, seed)) for seed in range(400)]
    # The standard error of the mean of 400 values that spread by 1/16.
    assert np.mean([one.first for one in found]) == pytest.approx(-1 / 256, abs=4 / 16 / 20)
    assert np.mean([one.slope for one in found]) == pytest.approx(0, abs=0.05)
    share = np.mean([verdict(one.first, 256) == "white" for one in found])
    assert share == pytest.approx(0.95, abs=4 * sqrt(0.95 * 0.05 / 400))


def test_brownian_noise_keeps_its_neighbours_and_falls_by_the_square():
    """A centred walk of n steps has the means (n^2 - 5n) / 6 and n^2 / 6 of its sums at lags 1 and 0, to order 1."""
    n = 256
    walks = [brownian_noise(n, seed) for seed in range(400)]
    centred = np.stack([walk - walk.mean(0) for walk in walks])
    ratio = (centred[:, :-1] * centred[:, 1:]).sum() / (centred**2).sum()
    assert ratio == pytest.approx(1 - 5 / n, abs=0.003)
    found = [correlate(walk) for walk in walks]
    assert np.mean([one.first for one in found]) == pytest.approx(0.972, abs=0.005)
    assert np.mean([one.slope for one in found]) == pytest.approx(2, abs=0.25)
    assert {verdict(one.first, n) for one in found} <= {"healthy", "partial"}


@pytest.mark.parametrize("series", [np.zeros((16, 2)), np.full((16, 1), 3.0), 5 + 1e-9 * white_noise(16, 0)])
def test_a_constant_series_has_no_correlation(series):
    assert correlate(series) is None
    assert verdict(None, 16) == "linear"


def test_the_length_is_where_the_curve_crosses_one_over_e():
    walk = correlate(brownian_noise(256, 0))
    lag = int(walk.length)
    assert walk.curve[lag] >= np.exp(-1) > walk.curve[lag + 1]
    line = correlate(np.arange(64.0)[:, None])
    assert line.length is not None and line.length > 10
    assert correlate(white_noise(64, 0)).length < 1.2


@pytest.mark.parametrize(
    ("first", "name"), [(0.0, "white"), (-0.3, "shattered"), (0.3, "shattered"), (0.6, "partial"), (0.95, "healthy")]
)
def test_verdicts_by_the_first_lag(first, name):
    assert verdict(first, 256) == name


@pytest.mark.parametrize("points", [8, 31])
def test_few_points_decide_nothing(points):
    assert {verdict(first, points, half) for first in (-0.1, 0.0, 0.59, 0.95) for half in (None, 0.01)} == {"undecided"}


def test_white_needs_an_interval_that_tells_it_from_shattered():
    assert [verdict(0.05, 40), verdict(0.05, 256, 0.5), verdict(0.05, 256, 0.1)] == ["undecided", "undecided", "white"]
    assert [verdict(0.4, 40), verdict(0.4, 256, 0.39)] == ["shattered", "shattered"]


def test_the_band_is_that_of_the_spread_over_lines():
    """Gradients of many dimensions with a weak memory: each line alone lies within the band of one dimension."""
    random, phi = np.random.default_rng(0), 0.15

    def firsts(phi):
        found = []
        for _ in range(8):
            series, last = [], np.zeros(64)
            for _ in range(128):
                last = phi * last + random.standard_normal(64)
                series.append(last)
            found.append(PathGradients(correlate(np.array(series)), None, 1.0))
        return found

    def row(phi):
        return gradient_row("net", firsts(phi), points=128, neighbour=None)

    assert row(phi).acf1.value < white_band(128) and row(phi).verdict == "shattered"
    assert sum(row(0.0).verdict == "white" for _ in range(20)) >= 16


def test_what_is_no_series_is_refused():
    for bad in (np.zeros((7, 1)), np.zeros(20), np.full((20, 1), np.nan)):
        with pytest.raises(ValueError, match="at least 8 finite points"):
            correlate(bad)


@given(st.integers(2, 12), st.integers(1, 5), st.integers(0, 1000))
def test_the_mean_cosine_is_over_all_pairs(points, dimensions, seed):
    series = white_noise(points, seed, dimensions=dimensions)
    units = series / np.linalg.norm(series, axis=1, keepdims=True)
    pairs = [units[a] @ units[b] for a in range(points) for b in range(a)]
    assert mean_cosine(series) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert mean_cosine(np.ones((points, dimensions))) == pytest.approx(1, abs=1e-12)
    assert mean_cosine(np.zeros((points, dimensions))) is None


def test_the_spectra_of_many_dimensions_add_up(monkeypatch):
    series = brownian_noise(32, 0, dimensions=10)
    whole = correlate(series)
    monkeypatch.setattr("dlcli.core.gradients.autocorrelation._COLUMNS", 3)
    parts = correlate(series)
    np.testing.assert_allclose(parts.curve, whole.curve, rtol=1e-12, atol=1e-14)
    assert parts.slope == pytest.approx(whole.slope) and parts.length == pytest.approx(whole.length)
