"""`words`: a table of word vectors learned from the labels alone, a fully connected head, and the lexical features.

It needs no download; with some thousands of labels and more it is better than `lexical`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from dlcli.core.pairs.architectures import WordsNet
from dlcli.core.pairs.encoders import Encoder
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.pairs.net_training import ByWord, Fitting, NetModel, read_net, words_of
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.tokens import fold_all
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT, Reporter

RECIPE = Recipe(epochs=8, batch_size=256, optimizer="adam", lr=2e-3, schedule="cosine", dtype="float32")

_SHAPE = ("dimensions", "forget", "dropout")


@dataclass(frozen=True)
class Words:
    """The table has a row for each word that at least `least` training texts have, and one for all others.

    `forget` and `dropout`, in [0, 1), are the shares of words and of hidden units that are left out while it learns.
    """

    dimensions: int = 64
    least: int = 2
    forget: float = 0.4
    dropout: float = 0.4
    recipe: Recipe = RECIPE

    def fit(
        self, train: Labelled, dev: Labelled, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Learn from `train`, choose the epoch and calibrate on `dev`; see `base.Trainable`. There is no use for an encoder."""
        reader = words_of(sorted(set(fold_all(train.texts))), least=self.least)
        fitting = Fitting("words", train, dev, self.recipe, seed, report, lexical=True)
        shape = {name: getattr(self, name) for name in _SHAPE}
        net = fitting.net(lambda _: WordsNet(reader.size, fitting.scale.shape[1], **shape), reader)
        return fitting.calibrated(net, reader, shape)


SCORER = Words()


def read(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model whose card and arrays these are; raises KeyError if one is missing, RuntimeError if they do not fit."""
    reader = ByWord(arrays["reader.hashes"])
    net = WordsNet(reader.size, arrays["scale"].shape[1], **{name: card[name] for name in _SHAPE})
    return read_net(net, reader, card, arrays)
