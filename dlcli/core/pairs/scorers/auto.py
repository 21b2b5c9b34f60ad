"""`auto`: `lexical` if there are few labels, else the better of `lexical` and `words` on the dev pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from numpy.typing import NDArray

from dlcli.core.evaluation.metrics import auc
from dlcli.core.pairs.encoders import Encoder
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.pairs.scorers.lexical import Lexical
from dlcli.support.reporter import SILENT, Reporter

MIN_LABELS = 2000
"""With fewer labels than this, training and dev together, most words are too rare for `words` to learn their vectors."""


@dataclass(frozen=True)
class AutoScorer:
    """Hyperparameters of `auto`: the `vectors` of `lexical`."""

    vectors: str = ""

    def fit(
        self, train: LabelledPairs, dev: LabelledPairs, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """The scorer with the higher AUC on `dev`, under its own name; see `PairEstimator`."""
        lexical = Lexical(vectors=self.vectors).fit(train, dev, seed, encoder=encoder, report=report)
        if len(train) + len(dev) < MIN_LABELS:
            return lexical
        from dlcli.core.pairs.scorers.words import Words  # here, because it imports torch

        candidates = (lexical, Words().fit(train, dev, seed, report=report))
        aucs = [_dev_auc(scorer, dev) for scorer in candidates]
        report.note(f"auto: dev AUC {aucs[0]:.3f} for lexical, {aucs[1]:.3f} for words")
        return candidates[aucs[1] > aucs[0]]


def _dev_auc(scorer: PairScorer, dev: LabelledPairs) -> float:
    """The AUC on `dev`; 0 if all its pairs have the same label."""
    found = auc(scorer.score(dev.texts, dev.first, dev.second), dev.duplicate)
    return 0.0 if found is None else found.value


SCORER = AutoScorer()


def load(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NoReturn:
    """Raise KeyError: no model is stored under this name, because the chosen scorer keeps its own."""
    raise KeyError("auto")
