"""`lexical`: what can be counted on two texts and the cosines of their vectors; logistic regression or boosted trees.

Which of the two is chosen by cross-validation on the training pairs, whole components apart, by the likelihood. Below some
2,000 labels it is the logistic, as a rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.pairs.boosted_trees import Trees, fit_trees, read_trees
from dlcli.core.pairs.encoders import Encoder, fit_encoder, read_encoder
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.pairs.scorer import Floats, PairScorer, calibrated, keyed, lexical_features, under
from dlcli.core.text.scoring.features import Rows
from dlcli.core.text.search.neighbours import cosines
from dlcli.core.text.tokens import fold_all
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT, Reporter

LEARNERS = ("auto", "logistic", "trees")
_FOLDS = 4
_COMPARED = 10_000
"""The most pairs on which the two are compared: where trees win by then, they win beyond."""


@dataclass(frozen=True)
class Linear:
    """Log-odds intercept + z weights of features z, held to [low, high], less `mean`, over `scale`; all (k,)."""

    low: Floats
    high: Floats
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float

    def odds(self, features: Floats) -> Floats:
        """Log-odds (n,) of features (n, k)."""
        found: Floats = self.intercept + ((np.clip(features, self.low, self.high) - self.mean) / self.scale) @ self.weights
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it by name."""
        return {name: np.atleast_1d(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class LexicalModel:
    """Features of two texts, with the cosine of their vectors if there is an encoder, and what was learned of them."""

    learned: Linear | Trees
    encoder: Encoder | None

    def odds(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """Log-odds (pairs,)."""
        return self.learned.odds(features_of(texts, first, second, self.encoder))

    def card(self) -> dict[str, Any]:
        """The learner and the vectors."""
        learner = "trees" if isinstance(self.learned, Trees) else "logistic"
        return {"learner": learner, "vectors": self.encoder.spec if self.encoder else ""}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights or the trees, and what the encoder learned."""
        found = {f"learned.{name}": value for name, value in self.learned.arrays().items()}
        return found | ({f"encoder.{name}": value for name, value in self.encoder.arrays().items()} if self.encoder else {})


@dataclass(frozen=True)
class Lexical:
    """`vectors` adds a cosine ("": none); `learner` is auto, logistic or trees, of which there are `trees` of `depth`."""

    vectors: str = ""
    learner: str = "auto"
    trees: int = 300
    depth: int = 5
    rate: float = 0.08
    penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.learner not in LEARNERS:
            raise UsageError(f"learner '{self.learner}' is not one of {', '.join(LEARNERS)}")

    def fit(
        self, train: Labelled, dev: Labelled, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Learn from `train`, calibrate on `dev`; see `base.Trainable`."""
        if self.vectors and encoder is None:
            encoder = fit_encoder(self.vectors, sorted(set(fold_all(train.texts))))
        features = features_of(train.texts, train.first, train.second, encoder)
        learner = self._chosen(features, train, seed) if self.learner == "auto" else self.learner
        report.note(f"lexical: {learner}, {features.shape[1]} features")
        return calibrated("lexical", LexicalModel(self._learned(learner, features, train.duplicate, seed), encoder), dev)

    def _learned(self, learner: str, features: Floats, y: NDArray[np.bool_], seed: int) -> Linear | Trees:
        if learner == "logistic":
            return fit_linear(features, y, self.penalty)
        return fit_trees(features, y, trees=self.trees, depth=self.depth, rate=self.rate, seed=seed)

    def _chosen(self, features: Floats, train: Labelled, seed: int) -> str:
        """The learner with the lower loss on components that it did not learn from."""
        rows, fold = _folds(train.component, seed)
        losses = dict.fromkeys(LEARNERS[1:], 0.0)
        for held in range(_FOLDS):
            inside, outside = rows[fold != held], rows[fold == held]
            if not len(outside) or len(set(train.duplicate[inside].tolist())) < 2:
                continue
            for learner in losses:
                odds = self._learned(learner, features[inside], train.duplicate[inside], seed).odds(features[outside])
                losses[learner] += float(np.logaddexp(0, np.where(train.duplicate[outside], -odds, odds)).sum())
        return min(losses, key=losses.__getitem__)


SCORER = Lexical()


def features_of(texts: Sequence[str], first: Rows, second: Rows, encoder: Encoder | None) -> Floats:
    """The lexical features and, with an encoder, the cosine of the vectors, (pairs, 23 or 24)."""
    found = lexical_features(texts, first, second)
    if encoder is None:
        return found
    keys, a, b = keyed(texts, first, second)
    return np.column_stack([found, cosines(encoder.encode(keys), a, b)])


def _folds(component: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Some of the pairs, by whole components, and the fold of each."""
    random = np.random.default_rng(seed)
    place = random.permutation(component.max() + 1)[component]
    rows = np.argsort(place, kind="stable")[:_COMPARED]
    return rows, place[rows] % _FOLDS


def fit_linear(features: Floats, y: NDArray[np.bool_], penalty: float) -> Linear:
    """Logistic regression on scaled features; `penalty` is the strength of that on squared weights, for one example each."""
    from sklearn.linear_model import LogisticRegression

    low, high = np.quantile(features, [0.001, 0.999], axis=0)
    held = np.clip(features, low, high)
    spread = held.std(axis=0)
    start = Linear(low, high, held.mean(axis=0), np.where(spread > 0, spread, 1), np.zeros(features.shape[1]), 0.0)
    z = (held - start.mean) / start.scale
    found = LogisticRegression(C=1 / penalty, max_iter=2000, tol=1e-6).fit(z, y)
    return replace(start, weights=found.coef_[0].copy(), intercept=float(found.intercept_[0]))


def read(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> LexicalModel:
    """The model whose card and arrays these are; raises KeyError if one is missing."""
    learned = under(arrays, "learned.")
    encoder = read_encoder(card["vectors"], under(arrays, "encoder.")) if card["vectors"] else None
    if card["learner"] == "trees":
        return LexicalModel(read_trees(learned), encoder)
    return LexicalModel(Linear(**{**learned, "intercept": float(learned["intercept"][0])}), encoder)
