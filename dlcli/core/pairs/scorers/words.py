"""`words`: word vectors learned from the labels alone, a fully connected head, and the lexical features.

It needs no download, and from a few thousand labels on it is more accurate than `lexical`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from dlcli.core.pairs.architectures import WordsNet
from dlcli.core.pairs.encoders import Encoder
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.net_training import NetModel, PairTrainer, WordIdEncoder, build_vocabulary, load_network
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.tokens import fold_all
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT, Reporter

RECIPE = Recipe(epochs=8, batch_size=256, optimizer="adam", lr=2e-3, schedule="cosine", dtype="float32")

_SHAPE = ("dimensions", "word_dropout", "dropout")


@dataclass(frozen=True)
class Words:
    """Hyperparameters of `words`.

    Attributes:
        dimensions: Width of the word vectors.
        min_count: Number of training texts a word must be in to get a vector of its own; all other words share one.
        word_dropout: Probability of dropping a word in training, in [0, 1).
        dropout: Probability of dropping a hidden unit in training, in [0, 1).
        recipe: How to train.
    """

    dimensions: int = 64
    min_count: int = 2
    word_dropout: float = 0.4
    dropout: float = 0.4
    recipe: Recipe = RECIPE

    def fit(
        self, train: LabelledPairs, dev: LabelledPairs, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Train on `train`, choose the epoch and calibrate on `dev`; see `PairEstimator`. `encoder` is ignored."""
        word_ids = build_vocabulary(sorted(set(fold_all(train.texts))), min_count=self.min_count)
        trainer = PairTrainer("words", train, dev, self.recipe, seed, report, lexical=True)
        shape = {name: getattr(self, name) for name in _SHAPE}
        net = trainer.train_network(lambda _: WordsNet(word_ids.size, trainer.scale.shape[1], **shape), word_ids)
        return trainer.calibrated(net, word_ids, shape)


SCORER = Words()


def load(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model with these settings and arrays; raises KeyError if one is missing, RuntimeError if they do not fit."""
    word_ids = WordIdEncoder(arrays["reader.hashes"])
    # Models saved by dlcli 0.1.0 call the word dropout `forget`.
    settings = {"word_dropout" if name == "forget" else name: value for name, value in settings.items()}
    net = WordsNet(word_ids.size, arrays["scale"].shape[1], **{name: settings[name] for name in _SHAPE})
    return load_network(net, word_ids, settings, arrays)
