"""`auto`: `lexical` for few labels; above that the better on the dev pairs of `lexical` and `words`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from numpy.typing import NDArray

from dlcli.core.evaluation.metrics import auc
from dlcli.core.pairs.encoders import Encoder
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.pairs.scorers.lexical import Lexical
from dlcli.support.reporter import SILENT, Reporter

FEW = 2000
"""Below so many labels, training and dev together, a table of words has seen too little of each word."""


@dataclass(frozen=True)
class Auto:
    """`vectors` are those of `lexical`."""

    vectors: str = ""

    def fit(
        self, train: Labelled, dev: Labelled, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """The scorer with the higher AUC on `dev`; it goes by its own name. See `base.Trainable`."""
        lexical = Lexical(vectors=self.vectors).fit(train, dev, seed, encoder=encoder, report=report)
        if len(train) + len(dev) < FEW:
            return lexical
        from dlcli.core.pairs.scorers.words import Words  # here, since it brings torch

        both = (lexical, Words().fit(train, dev, seed, report=report))
        areas = [auc(one.score(dev.texts, dev.first, dev.second), dev.duplicate) for one in both]
        values = [0.0 if area is None else area.value for area in areas]
        report.note(f"auto: dev AUC {values[0]:.3f} for lexical, {values[1]:.3f} for words")
        return both[values[1] > values[0]]


SCORER = Auto()


def read(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NoReturn:
    """There is no such model: what was chosen goes by its own name."""
    raise KeyError("auto")
