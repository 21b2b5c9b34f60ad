"""Calibrations: what they are by definition, beside scikit-learn and scipy, and that they mend known faults."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression

from dlcli.core.evaluation.calibration_gain import brier_change, calibration_gain, nll_change
from dlcli.core.evaluation.calibrators import KINDS, NEEDED, Isotonic, Temperature, Vector, restored, to_json
from dlcli.core.evaluation.predictions import of_logits
from dlcli.support.errors import InputError
from dlcli.support.schema import first_fault


def drawn(n: int, seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated logits, and labels drawn from their probabilities."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(n, classes))
    return logits, (softmax(logits, 1).cumsum(1) < random.random((n, 1))).sum(1)


def nll(log_p: np.ndarray, y: np.ndarray) -> float:
    return float(-log_p[np.arange(len(y)), y].mean())


def test_the_temperature_has_the_lowest_nll():
    logits, y = drawn(3000, 0)
    found = Temperature.fit(2.5 * logits, y)
    best = minimize_scalar(lambda t: nll(log_softmax(2.5 * logits / t, 1), y), bounds=(0.1, 20), method="bounded")
    assert found.temperature == pytest.approx(best.x, rel=1e-4)
    assert found.temperature == pytest.approx(2.5, rel=0.1)  # by which the logits were too large
    assert found.log_p(2.5 * logits) == pytest.approx(log_softmax(2.5 * logits / found.temperature, 1), abs=1e-12)


def test_a_temperature_without_a_minimum_is_refused():
    logits = np.random.default_rng(0).normal(size=(50, 3))
    with pytest.raises(InputError, match="every label has the highest logit"):
        Temperature.fit(logits, logits.argmax(1))
    with pytest.raises(InputError, match="tell nothing"):
        Temperature.fit(logits, logits.argmin(1))


def test_vector_scaling_finds_weights_and_biases():
    logits, y = drawn(60_000, 1, classes=3)
    weight, bias = np.array([2.0, 0.5, 1.0]), np.array([1.0, -1.0, 0.0])
    found = Vector.fit((logits - bias) / weight, y)
    assert found.weight == pytest.approx(weight, rel=0.05)
    assert np.array(found.bias) - found.bias[2] == pytest.approx(bias - bias[2], abs=0.06)
    p = np.exp(found.log_p((logits - bias) / weight))
    # At the minimum the mean probability of a class is its share, but for the penalty.
    assert p.mean(0) == pytest.approx(np.bincount(y) / len(y), abs=1e-3)


def test_vector_scaling_stays_finite_where_classes_are_apart():
    logits = 5 * np.eye(3)[np.arange(30) % 3]
    assert np.isfinite([*(found := Vector.fit(logits, np.arange(30) % 3)).weight, *found.bias]).all()


def test_isotonic_regression_is_that_of_scikit_learn():
    logits, y = drawn(800, 2)
    more, _ = drawn(500, 3)
    found = Isotonic.fit(3 * logits, y)
    p, other = softmax(3 * logits, 1), softmax(3 * more, 1)
    each = [IsotonicRegression(out_of_bounds="clip").fit(p[:, k], y == k).predict(other[:, k]) for k in range(4)]
    total = np.sum(each, axis=0)
    assert total.min() > 0
    expected = (800 * np.stack(each, 1) / total[:, None] + other) / 801
    assert np.exp(found.log_p(3 * more)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("method", KINDS)
def test_each_mends_a_network_that_is_too_sure(method: str):
    logits, y = drawn(4000, 4)
    fitted = KINDS[method].fit(3 * logits[:2000], y[:2000])
    after = fitted.log_p(3 * logits[2000:])
    assert np.exp(after).sum(1) == pytest.approx(np.ones(2000)) and np.isfinite(after).all()
    assert nll(after, y[2000:]) < nll(log_softmax(3 * logits[2000:], 1), y[2000:]) - 0.3
    written = json.loads(json.dumps(to_json(fitted)))
    again = restored(method, written)
    assert again == fitted and again.fits(4) and not first_fault(written, NEEDED[method])
    assert method == "temperature" or not again.fits(5)


def test_a_function_that_decreases_is_not_taken():
    assert Isotonic(((0.1, 0.9),), ((0.2, 0.8),), 10).fits(1)
    assert not Isotonic(((0.1, 0.9),), ((0.8, 0.2),), 10).fits(1)
    assert not Isotonic(((0.1, 0.9),), ((0.8,),), 10).fits(1)


def test_differences_are_those_of_the_figures():
    logits, y = drawn(1000, 5)
    group = np.arange(1000) // 4
    before, after = (of_logits(one, y, tuple("abcd"), group) for one in (3 * logits, logits))
    found = {one.name: one for one in calibration_gain(before, after, seed=0)}
    for name in ("nll", "brier", "top-1"):
        one = found[name]
        assert one.difference.value == pytest.approx(one.after.value - one.before.value, abs=1e-12)
        assert one.difference.low <= one.difference.value <= one.difference.high
    assert found["nll"].difference.high < 0 and found["brier"].difference.high < 0
    assert found["top-1"].difference.value == 0 and found["ece"].difference is None
    assert found["ece"].after.value < found["ece"].before.value


def test_intervals_of_the_differences_hold():
    """Of 200 test sets, 95% of the intervals have the difference of 200,000 further examples."""
    truth, held = changes(*drawn(200_000, 6)), np.zeros(2)
    for seed in range(200):
        held += [
            one.difference.low <= true.difference.value <= one.difference.high
            for one, true in zip(changes(*drawn(400, 1000 + seed)), truth, strict=True)
        ]
    assert (np.abs(held / 200 - 0.95) <= 0.02 + 3 * (0.05 * 0.95 / 200) ** 0.5).all()


def changes(logits: np.ndarray, y: np.ndarray):
    """NLL and Brier score of a network that is too sure, and of a calibrated one."""
    before, after = (of_logits(one, y, tuple("abcd")) for one in (1.5 * logits, logits))
    return nll_change(before, after, 0), brier_change(before, after, 0)
