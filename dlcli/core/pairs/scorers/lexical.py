"""`lexical`: logistic regression or boosted trees on the lexical features of two texts and the cosine of their vectors.

Unless one is asked for, cross-validation on the training pairs, by whole components, chooses the learner with the higher
likelihood. With fewer than about 2,000 labels that is usually the logistic regression.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.pairs.boosted_trees import BoostedTrees, fit_trees, load_trees
from dlcli.core.pairs.encoders import Encoder, fit_encoder, load_encoder
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.scorer import Floats, PairScorer, calibrated, fold_pairs, lexical_features, strip_prefix
from dlcli.core.text.scoring.arrays import Rows
from dlcli.core.text.search.neighbours import cosines
from dlcli.core.text.tokens import fold_all
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

LEARNERS = ("auto", "logistic", "trees")
_FOLDS = 4
_MAX_COMPARED = 10_000
"""The learners are compared on at most this many pairs: trees that win by then win on more."""


@dataclass(frozen=True)
class LinearModel:
    """Log-odds intercept + weights . z of the standardised features z = (clip(x, low, high) - mean) / scale; all (k,)."""

    low: Floats
    high: Floats
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds (n,) of features (n, k)."""
        found: Floats = self.intercept + ((np.clip(features, self.low, self.high) - self.mean) / self.scale) @ self.weights
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The parameters as arrays by name."""
        return {name: np.atleast_1d(value) for name, value in vars(self).items()}


def load_linear(arrays: Mapping[str, NDArray[Any]]) -> LinearModel:
    """The model whose `arrays()` these are; raises TypeError if their names are others, KeyError without an intercept."""
    vectors: dict[str, Any] = dict(arrays)
    return LinearModel(**{**vectors, "intercept": float(arrays["intercept"][0])})


@dataclass(frozen=True)
class LexicalModel:
    """A learner fitted on `features_of` pairs, which include a cosine if there is an encoder."""

    learned: LinearModel | BoostedTrees
    encoder: Encoder | None

    def decision_function(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """Log-odds (pairs,)."""
        return self.learned.log_odds(features_of(texts, first, second, self.encoder))

    def metadata(self) -> dict[str, Any]:
        """The learner and the vectors."""
        learner = "trees" if isinstance(self.learned, BoostedTrees) else "logistic"
        return {"learner": learner, "vectors": self.encoder.spec if self.encoder else ""}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights or the trees, and the arrays of the encoder."""
        found = {f"learned.{name}": value for name, value in self.learned.arrays().items()}
        return found | ({f"encoder.{name}": value for name, value in self.encoder.arrays().items()} if self.encoder else {})


@dataclass(frozen=True)
class Lexical:
    """Hyperparameters of `lexical`.

    Attributes:
        vectors: Adds the cosine of these vectors as a feature, as in `vectors` of a configuration; "" adds none.
        learner: logistic, trees, or auto to choose one by cross-validation.
        trees: Number of boosted trees.
        depth: Maximum depth of a tree.
        learning_rate: Factor on the contribution of each tree.
        penalty: Strength of the L2 penalty of the logistic regression, in units of one example.
    """

    vectors: str = ""
    learner: str = "auto"
    trees: int = 300
    depth: int = 5
    learning_rate: float = 0.08
    penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.learner not in LEARNERS:
            raise UsageError(f"learner '{self.learner}' is not one of {', '.join(LEARNERS)}")

    def fit(
        self, train: LabelledPairs, dev: LabelledPairs, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Train on `train`, calibrate on `dev`; see `PairEstimator`."""
        if self.vectors and encoder is None:
            encoder = fit_encoder(self.vectors, sorted(set(fold_all(train.texts))))
        features = features_of(train.texts, train.first, train.second, encoder)
        learner = self._select_learner(features, train, seed) if self.learner == "auto" else self.learner
        report.note(f"lexical: {learner}, {features.shape[1]} features")
        return calibrated("lexical", LexicalModel(self._fit_learner(learner, features, train.duplicate, seed), encoder), dev)

    def _fit_learner(self, learner: str, features: Floats, y: NDArray[np.bool_], seed: int) -> LinearModel | BoostedTrees:
        if learner == "logistic":
            return fit_linear(features, y, self.penalty)
        return fit_trees(features, y, trees=self.trees, depth=self.depth, learning_rate=self.learning_rate, seed=seed)

    def _select_learner(self, features: Floats, train: LabelledPairs, seed: int) -> str:
        """The learner with the lower cross-validated logistic loss."""
        rows, fold = _folds(train.component, seed)
        losses = dict.fromkeys(LEARNERS[1:], 0.0)
        for held_out in range(_FOLDS):
            inside, outside = rows[fold != held_out], rows[fold == held_out]
            if not len(outside) or len(set(train.duplicate[inside].tolist())) < 2:
                continue
            for learner in losses:
                fitted = self._fit_learner(learner, features[inside], train.duplicate[inside], seed)
                log_odds = fitted.log_odds(features[outside])
                losses[learner] += float(np.logaddexp(0, np.where(train.duplicate[outside], -log_odds, log_odds)).sum())
        return min(losses, key=losses.__getitem__)


SCORER = Lexical()


def features_of(texts: Sequence[str], first: Rows, second: Rows, encoder: Encoder | None) -> Floats:
    """The lexical features and, with an encoder, the cosine of the vectors.

    Args:
        texts: Raw texts.
        first: Index of the first text of each pair, (pairs,).
        second: Index of the second text, (pairs,).
        encoder: Gives the vectors; None for no cosine.

    Returns:
        The features, (pairs, features), with a cosine as one more where that is asked for.
    """
    found = lexical_features(texts, first, second)
    if encoder is None:
        return found
    folded = fold_pairs(texts, first, second)
    cosine = cosines(encoder.encode(folded.keys), folded.first.astype(np.int32), folded.second.astype(np.int32))
    return np.column_stack([found, cosine.astype(np.float64)])


class _Folds(NamedTuple):
    """Indices of the pairs that take part, and the fold of each, (pairs,) both."""

    rows: NDArray[np.int64]
    fold: NDArray[np.int64]


def _folds(component: NDArray[np.int64], seed: int) -> _Folds:
    """Draw folds of whole components: pairs that share a question in two folds would make overfitting look good."""
    random = np.random.default_rng(derive(seed, "folds"))
    place = random.permutation(component.max() + 1)[component]
    rows = np.argsort(place, kind="stable")[:_MAX_COMPARED]
    return _Folds(rows, place[rows] % _FOLDS)


def fit_linear(features: Floats, y: NDArray[np.bool_], penalty: float) -> LinearModel:
    """Logistic regression on standardised features, with an L2 `penalty` in units of one example."""
    from sklearn.linear_model import LogisticRegression

    low, high = np.quantile(features, [0.001, 0.999], axis=0)
    clipped = np.clip(features, low, high)
    spread = clipped.std(axis=0)
    start = LinearModel(low, high, clipped.mean(axis=0), np.where(spread > 0, spread, 1), np.zeros(features.shape[1]), 0.0)
    z = (clipped - start.mean) / start.scale
    fitted = LogisticRegression(C=1 / penalty, max_iter=2000, tol=1e-6).fit(z, y)
    return replace(start, weights=fitted.coef_[0].copy(), intercept=float(fitted.intercept_[0]))


def load(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> LexicalModel:
    """The model with these settings and arrays; raises KeyError if one is missing."""
    learned = strip_prefix(arrays, "learned.")
    encoder = load_encoder(settings["vectors"], strip_prefix(arrays, "encoder.")) if settings["vectors"] else None
    return LexicalModel(load_trees(learned) if settings["learner"] == "trees" else load_linear(learned), encoder)
