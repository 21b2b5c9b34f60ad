"""Maps from logits to calibrated probabilities, fitted on examples that the network was not trained on.

Temperature and vector scaling are those of Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv 1706.04599,
section 4.2; isotonic regression of each class against the rest is that of Zadrozny and Elkan (2002), KDD. Logits are
(n, outputs), labels (n,). All of them minimise a convex function, so that the result depends on the examples alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, isotonic_regression, minimize

from dlcli.core.evaluation.metrics import Floats, Labels, log_probabilities
from dlcli.support.errors import InputError
from dlcli.support.schema import Check, list_of, number

_LARGEST = 1e3
"""Temperatures are from 1 / this to this."""
_PENALTY = 1e-4
"""Of vector scaling, half of it times the squared distance from doing nothing: a class that is never confused would have an
infinite weight."""
_SUMS_TO_ZERO = 1e-12


@dataclass(frozen=True)
class Temperature:
    """All logits divided by one number: the order of classes, so the accuracy, stays as it is."""

    temperature: float
    keeps_labels: ClassVar[bool] = True

    @classmethod
    def fit(cls, logits: Floats, y: Labels) -> "Temperature":
        """Minimise the NLL over the temperature; raises InputError if it has no minimum."""

        def slope(inverse: float) -> float:
            """The derivative of the NLL by 1 / temperature, which increases."""
            p = np.exp(log_probabilities(logits * inverse))
            return float(((p * logits).sum(1) - logits[np.arange(len(y)), y]).mean())

        if slope(_LARGEST) <= 0:
            raise InputError("every label has the highest logit, so that no temperature is best", hint="calibrate on more data")
        if slope(1 / _LARGEST) >= 0:
            raise InputError("the probabilities tell nothing of the labels, so that no temperature is best")
        return cls(1 / float(brentq(slope, 1 / _LARGEST, _LARGEST, xtol=1e-12)))

    def log_p(self, logits: NDArray[np.floating]) -> Floats:
        """Calibrated log-probabilities, (n, outputs)."""
        return log_probabilities(np.asarray(logits, dtype=np.float64) / self.temperature)

    def fits(self, outputs: int) -> bool:
        """Any number."""
        return True

    def __str__(self) -> str:
        return f"a temperature of {self.temperature:.4g}"


@dataclass(frozen=True)
class Vector:
    """A weight and a bias for the logit of each output."""

    weight: tuple[float, ...]
    bias: tuple[float, ...]
    keeps_labels: ClassVar[bool] = False

    @classmethod
    def fit(cls, logits: Floats, y: Labels) -> "Vector":
        """Minimise the NLL and a weak penalty on what differs from doing nothing."""
        n, outputs = logits.shape
        is_true, start = np.eye(outputs)[y], np.repeat([1.0, 0.0], outputs)

        def loss(both: Floats) -> tuple[float, Floats]:
            log_p = log_probabilities(logits * both[:outputs] + both[outputs:])
            away, error = both - start, (np.exp(log_p) - is_true) / n
            slope = np.concatenate([(error * logits).sum(0), error.sum(0)]) + _PENALTY * away
            return float(-(is_true * log_p).sum() / n + _PENALTY / 2 * (away**2).sum()), slope

        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-8, "ftol": 1e-15, "maxiter": 10_000}).x
        return cls(tuple(found[:outputs].tolist()), tuple(found[outputs:].tolist()))

    def log_p(self, logits: NDArray[np.floating]) -> Floats:
        """Calibrated log-probabilities, (n, outputs)."""
        return log_probabilities(np.asarray(logits, dtype=np.float64) * np.array(self.weight) + np.array(self.bias))

    def fits(self, outputs: int) -> bool:
        """Whether it has as many weights."""
        return len(self.weight) == len(self.bias) == outputs

    def __str__(self) -> str:
        return "a weight and a bias for each class (vector scaling)"


@dataclass(frozen=True)
class Isotonic:
    """An increasing function of the probability for each class, all of which are divided by their sum.

    Its steps have zeros and ties, which would make a single mistake infinitely bad and leave the label to the order of the
    classes. So the probability that the network gave counts like one more of the n examples that it was fitted on.

    Attributes:
        p: For each class, where the function bends, increasing.
        share: For each class, its values there, between which it is linear.
        n: Number of examples.
    """

    p: tuple[tuple[float, ...], ...]
    share: tuple[tuple[float, ...], ...]
    n: int
    keeps_labels: ClassVar[bool] = False

    @classmethod
    def fit(cls, logits: Floats, y: Labels) -> "Isotonic":
        """Fit each class against the rest by the pool-adjacent-violators algorithm."""
        p = np.exp(log_probabilities(logits))
        bends = [_bends(p[:, k], y == k) for k in range(p.shape[1])]
        return cls(tuple(tuple(x.tolist()) for x, _ in bends), tuple(tuple(v.tolist()) for _, v in bends), len(y))

    def log_p(self, logits: NDArray[np.floating]) -> Floats:
        """Calibrated log-probabilities, (n, outputs)."""
        before = log_probabilities(logits)
        p = np.exp(before)
        found = np.stack([np.interp(p[:, k], self.p[k], self.share[k]) for k in range(p.shape[1])], axis=1)
        total = found.sum(1, keepdims=True)
        found = np.where(total > _SUMS_TO_ZERO, found / np.maximum(total, _SUMS_TO_ZERO), p)
        with np.errstate(divide="ignore"):  # where both are 0
            return np.log((self.n * found + p) / (self.n + 1))

    def fits(self, outputs: int) -> bool:
        """Whether it has a function for each, which increases between 0 and 1."""
        increasing = all(np.all(np.diff(one) >= 0) for one in (*self.p, *self.share))
        same = all(len(a) == len(b) > 0 for a, b in zip(self.p, self.share, strict=False))
        return len(self.p) == len(self.share) == outputs and same and increasing

    def __str__(self) -> str:
        return "isotonic regression of each class"


def _bends(p: Floats, is_true: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Where the isotonic regression of a class bends, and its values there: the ends of each run of equal values."""
    levels, place = np.unique(p, return_inverse=True)
    weight = np.bincount(place).astype(np.float64)
    fitted = isotonic_regression(np.bincount(place, is_true) / weight, weights=weight).x
    step = np.diff(fitted) != 0
    kept = np.append(True, step) | np.append(step, True)
    return levels[kept], np.clip(fitted[kept], 0.0, 1.0)


Calibrator = Temperature | Vector | Isotonic

_SHARES = list_of(list_of(number(0, 1), least=1), least=1, most=1_000_000)
_WEIGHTS = list_of(number(), least=1, most=1_000_000)
KINDS: dict[str, type[Calibrator]] = {"temperature": Temperature, "vector": Vector, "isotonic": Isotonic}
NEEDED: dict[str, dict[str, Check]] = {
    "temperature": {"temperature": number(1 / _LARGEST, _LARGEST)},
    "vector": {"weight": _WEIGHTS, "bias": _WEIGHTS},
    "isotonic": {"p": _SHARES, "share": _SHARES, "n": number(1)},
}
"""What a file must hold of each."""


def restored(method: str, values: Mapping[str, Any]) -> Calibrator:
    """The map of whose `to_json` these are the values, which were checked against `NEEDED`."""
    return KINDS[method](**{name: _frozen(values[name]) for name in NEEDED[method]})


def to_json(calibrator: Calibrator) -> dict[str, Any]:
    """What `restored` reads, in the terms of JSON."""
    return asdict(calibrator)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
