"""What all scorers of text pairs share: a model gives an uncalibrated score, and Platt scaling turns it into a probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from dlcli.core.pairs.encoders import Encoder, TextEncoder
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.text.scoring.arrays import Rows
from dlcli.core.text.scoring.features import pair_features
from dlcli.core.text.scoring.pair_score import built_in, with_exact_cases
from dlcli.core.text.scoring.rarity import TableWords
from dlcli.core.text.scoring.tokenized_texts import tokenize_texts
from dlcli.core.text.tokens import fold_all
from dlcli.core.text.vectors.devices import device_use
from dlcli.support.reporter import SILENT, Reporter

Floats = NDArray[np.float64]


class PairModel(Protocol):
    """A fitted model of pairs of texts."""

    def decision_function(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """Uncalibrated scores (pairs,) that increase with the probability of a duplicate; they are on no particular scale.

        `first` and `second` are indices into `texts`.
        """

    def metadata(self) -> dict[str, Any]:
        """The part of the model that is stored as JSON: its settings."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The part of the model that is stored as arrays: everything learned."""


class PairEstimator(Protocol):
    """The hyperparameters of one kind of scorer, an entry of the registry; `fit` trains it."""

    def fit(
        self,
        train: LabelledPairs,
        dev: LabelledPairs,
        seed: int,
        *,
        encoder: Encoder | None = None,
        report: Reporter = SILENT,
    ) -> "PairScorer":
        """Train a scorer; the same seed gives the same scorer.

        Args:
            train: Pairs to learn from.
            dev: Pairs for model selection and calibration.
            seed: Seed of everything random.
            encoder: An encoder that is already fitted for the vectors of this estimator; default: fit one on `train`.
            report: Receives notes and progress.

        Returns:
            The calibrated scorer.

        Raises:
            DlcliError: Whatever fitting the encoder raises, such as a missing package.
        """


@dataclass(frozen=True)
class PairScorer:
    """A fitted scorer: the registry's `name` for it, its model, and slope and intercept of the calibration (Platt 1999)."""

    name: str
    model: PairModel
    slope: float
    intercept: float

    @property
    def uses_device(self) -> bool:
        """Whether an accelerator can encode the texts; all else is computed on the CPU."""
        encoder = getattr(self.model, "encoder", None)
        return isinstance(encoder, TextEncoder) and device_use(encoder.spec) == "vectors"

    def on_device(self, device: str) -> "PairScorer":
        """The same scorer, which encodes texts on `device` if it uses one."""
        if not self.uses_device:
            return self
        model: Any = self.model
        return replace(self, model=replace(model, encoder=replace(model.encoder, device=device)))

    def score(
        self,
        texts: Sequence[str],
        first: Rows,
        second: Rows,
        table: TableWords | None = None,
        above_chance: Floats | None = None,
    ) -> Floats:
        """The probability that each pair of texts is a duplicate, (pairs,) in [0, 1].

        It is calibrated for pairs like those that the scorer was trained on. Texts that are equal after folding get 1, a text
        without words gets 0.

        Args:
            texts: The texts, raw, not folded.
            first: Index of the first text of each pair, (pairs,).
            second: Index of the second text, (pairs,).
            table: Not used: a pair has the same score in every table.
            above_chance: Not used.

        Returns:
            The probabilities.
        """
        log_odds = self.slope * self.model.decision_function(texts, first, second) + self.intercept
        return with_exact_cases(texts, first, second, expit(log_odds))


def calibrated(name: str, model: PairModel, dev: LabelledPairs) -> PairScorer:
    """The scorer of a model, calibrated on pairs that the model was not trained on (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    scores = model.decision_function(dev.texts, dev.first, dev.second)
    # Divided by their spread, so that the solver converges alike for log-odds and for distances.
    spread = float(scores.std()) or 1.0
    fitted = LogisticRegression(C=np.inf, tol=1e-8).fit(scores[:, None] / spread, dev.duplicate)
    return PairScorer(name, model, float(fitted.coef_[0, 0]) / spread, float(fitted.intercept_[0]))


def lexical_features(texts: Sequence[str], first: Rows, second: Rows) -> Floats:
    """The features of `dlcli.core.text.scoring.features`, (pairs, features), with words as the built-in score knows them.

    A feature that is missing is 0.
    """
    read = tokenize_texts(texts, built_in().rarity, vectors=built_in().vectors)
    return np.nan_to_num(pair_features(read, first, second).astype(np.float64), nan=0.0)


class FoldedPairs(NamedTuple):
    """Pairs as indices `first` and `second`, (pairs,), into `keys`: the distinct folded texts, sorted."""

    keys: list[str]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


def fold_pairs(texts: Sequence[str], first: Rows, second: Rows) -> FoldedPairs:
    """Fold texts, and point the pairs at the distinct keys, so that each key is encoded once."""
    keys, numbers = np.unique(np.array(fold_all(texts), dtype=object), return_inverse=True)
    return FoldedPairs(keys.tolist(), numbers[first], numbers[second])


def strip_prefix(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose name begins with `prefix`, by the rest of their name."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
