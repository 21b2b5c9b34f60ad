"""Conformal sets beside those of MAPIE, on the same scores and random numbers: `pip install --no-deps mapie`."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from dlcli.core.evaluation.conformal import SCORES, sets, threshold

pytestmark = pytest.mark.peers
classification = pytest.importorskip("mapie.classification", reason="install with: pip install --no-deps mapie")

CLASSES = 6


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities are its inputs."""

    def __init__(self) -> None:
        self.classes_ = np.arange(CLASSES)
        self.fitted_ = True

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Given":
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(1)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(300, CLASSES))
    p = softmax(logits, axis=1)
    return softmax(1.5 * logits, axis=1), (p.cumsum(1) > random.random((300, 1))).argmax(1)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("name", ["lac", "aps"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sets_equal_those_of_mapie(name: str, coverage: float, seed: int):
    p, y = drawn(seed)
    peer = classification.SplitConformalClassifier(Given(), confidence_level=coverage, conformity_score=name, random_state=seed)
    peer.conformalize(p[:150], y[:150])
    options = {"conformity_score_params": {"include_last_label": "randomized"}} if name == "aps" else {}
    theirs = peer.predict_set(p[150:], **options)[1][:, :, 0]
    u = np.random.RandomState(seed).uniform(size=150)  # noqa: NPY002 - the numbers that MAPIE draws, each time from the seed
    found = threshold(SCORES[name](p[:150], u), y[:150], coverage)
    ours = sets(p[150:], SCORES[name](p[150:], u), found)
    empty = ~theirs.any(1)  # where MAPIE gives no class, dlcli gives the most probable one
    assert (ours[~empty] == theirs[~empty]).all()
    assert (ours[empty].sum(1) == 1).all() and empty.mean() < 0.2
