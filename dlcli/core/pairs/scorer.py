"""What scorers of pairs have in common: a model gives log-odds, calibration makes probabilities of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from dlcli.core.pairs.encoders import Encoder
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.text.scoring.features import Rows, pair_features, tokenize_texts
from dlcli.core.text.scoring.pair_score import built_in, with_exact_cases
from dlcli.core.text.tokens import fold_all
from dlcli.support.reporter import SILENT, Reporter

Floats = NDArray[np.float64]


class Model(Protocol):
    """A fitted model of pairs."""

    def odds(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """What grows with the probability of a duplicate, (pairs,), for pairs of `texts` by number; no scale is promised."""

    def card(self) -> dict[str, Any]:
        """What JSON holds of it."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The rest of it."""


class Trainable(Protocol):
    """An entry of the registry: settings."""

    def fit(
        self, train: Labelled, dev: Labelled, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> "PairScorer":
        """Learn from `train`, choose and calibrate on `dev`; the same for the same seed.

        `encoder` is used for the vectors that the settings name, if it is there already. Raises what encoders raise.
        """


@dataclass(frozen=True)
class PairScorer:
    """A fitted scorer: entry `name` of the registry, its model, and slope and intercept of its log-odds (Platt 1999)."""

    name: str
    model: Model
    slope: float
    intercept: float

    def score(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """The probability in [0, 1] that each pair of `texts`, as they stand, by number, is a duplicate, (pairs,).

        Calibrated for pairs like those it learned from. Texts that fold to one key get 1, a text without words gets 0.
        """
        odds = self.slope * self.model.odds(texts, first, second) + self.intercept
        return with_exact_cases(texts, first, second, expit(odds))


def calibrated(name: str, model: Model, dev: Labelled) -> PairScorer:
    """The scorer of a model, with log-odds scaled on other pairs than it learned from (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    odds = model.odds(dev.texts, dev.first, dev.second)
    spread = float(odds.std()) or 1.0
    found = LogisticRegression(C=np.inf, tol=1e-8).fit(odds[:, None] / spread, dev.duplicate)
    return PairScorer(name, model, float(found.coef_[0, 0]) / spread, float(found.intercept_[0]))


def lexical_features(texts: Sequence[str], first: Rows, second: Rows) -> Floats:
    """The features of `dlcli.core.text.scoring.features` for pairs of texts, (pairs, 23); rarity as in the built-in score."""
    return pair_features(tokenize_texts(texts, built_in().rarity), first, second).astype(np.float64)


def keyed(texts: Sequence[str], first: Rows, second: Rows) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys of texts, in order, and the pairs by number of key."""
    keys, numbers = np.unique(np.array(fold_all(texts), dtype=object), return_inverse=True)
    return keys.tolist(), numbers[first], numbers[second]


def under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Those whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
