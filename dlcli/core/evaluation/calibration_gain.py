"""What a calibration changes: figures of the same examples before and after, with paired differences."""

import numpy as np

from dlcli.core.bootstrap import bootstrap_t
from dlcli.core.evaluation import calibration, metrics
from dlcli.core.evaluation.metrics import Floats, Labels
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.grouped import difference_of, share_of
from dlcli.specs.calibration import CalibratedMetric
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.support.seeds import derive

_FEWEST_EXPECTED = 20
"""With fewer mistakes that calibrated probabilities expect, the change of the NLL has no interval."""
_ENOUGH = 30
"""From as many mistakes, or groups with one, on the bootstrap-t interval of the change of the Brier score holds."""


def calibration_gain(before: Predictions, after: Predictions, *, seed: int) -> tuple[CalibratedMetric, ...]:
    """NLL, Brier score, ECE and accuracy before and after, and the differences; of ECE there is none.

    NLL and Brier score have bootstrap-t intervals, the accuracy has that of paired accuracies. Chance adds to both ECEs, which
    their own intervals allow for; of their difference no interval is known that holds.

    Args:
        before: The predictions of the network, with log-probabilities.
        after: Those after calibration, of the same examples.
        seed: Seed of resamples, as all figures of eval have it.
    """
    group = before.group
    return (
        nll_change(before, after, seed),
        brier_change(before, after, seed),
        CalibratedMetric(name="ece", before=_ece(before, seed), after=_ece(after, seed), difference=None),
        CalibratedMetric(
            name="top-1",
            before=share_of(before.correct, group),
            after=share_of(after.correct, group),
            difference=difference_of(after.correct, before.correct, group),
        ),
    )


def nll_change(before: Predictions, after: Predictions, seed: int) -> CalibratedMetric:
    """The NLL, whose change has no interval where either has none, or where few mistakes are expected after calibration."""
    both = [
        metrics.negative_log_likelihood(_log_p(one), one.y, one.group, seed=derive(seed, "likelihood"))
        for one in (before, after)
    ]
    rows = np.arange(len(before.y))
    change = _log_p(before)[rows, before.y] - _log_p(after)[rows, before.y]
    unsure = next((one.why for one in both if isinstance(one, PointEstimate)), "")
    expected = metrics.expected_mistakes(_log_p(after))
    if not unsure and before.group is None and expected < _FEWEST_EXPECTED:
        unsure = f"{expected:.1f} mistakes expected"
    difference = (
        PointEstimate(value=float(change.mean()), n=len(change), why=unsure) if unsure else _mean(change, before.group, seed)
    )
    return CalibratedMetric(name="nll", before=both[0], after=both[1], difference=difference)


def brier_change(before: Predictions, after: Predictions, seed: int) -> CalibratedMetric:
    """The Brier score; its change with few mistakes has twice the interval of paired outcomes in [0, 1], which is wider."""
    then, now = (_half_distance(_log_p(one), one.y) for one in (before, after))
    enough = min(_mistakes(before), _mistakes(after)) >= _ENOUGH
    half = _mean(now - then, before.group, seed) if enough else difference_of(now, then, before.group)
    return CalibratedMetric(
        name="brier",
        before=metrics.brier(_log_p(before), before.y, before.group),
        after=metrics.brier(_log_p(after), after.y, after.group),
        difference=Difference(2 * half.value, 2 * half.low, 2 * half.high, half.n),
    )


def _mistakes(found: Predictions) -> int:
    """How many there are, or how many groups with one."""
    wrong = ~found.correct
    return int(wrong.sum()) if found.group is None else len(np.unique(found.group[wrong]))


def _mean(change: Floats, group: Labels | None, seed: int) -> Difference:
    found = bootstrap_t(change, group, seed=derive(seed, "change"))
    return Difference(found.value, found.low, found.high, found.n)


def _half_distance(log_p: Floats, y: Labels) -> Floats:
    """Half the squared distance of probabilities from the one-hot label, (n,) in [0, 1]."""
    p = np.exp(log_p)
    found: Floats = np.clip(((p**2).sum(1) - 2 * p[np.arange(len(y)), y] + 1) / 2, 0.0, 1.0)
    return found


def _ece(found: Predictions, seed: int) -> Estimate:
    if found.confidence is None:
        raise ValueError("probabilities are needed")
    return calibration.expected_error(found.confidence, found.correct, group=found.group, seed=derive(seed, "bootstrap"))


def _log_p(found: Predictions) -> Floats:
    if found.log_p is None:
        raise ValueError("probabilities are needed")
    return found.log_p
