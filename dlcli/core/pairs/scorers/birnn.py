"""`birnn`: word vectors, a bidirectional GRU, 1-D convolutions, and a fully connected head on both texts.

The word vectors start from word2vec or spaCy (`vectors`), or at random, and are trained with the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.pairs.architectures import RecurrentNet
from dlcli.core.pairs.encoders import Encoder, word_vectors
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.net_training import NetModel, PairTrainer, WordIdEncoder, build_vocabulary, load_network
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.scoring.rarity import word_hash
from dlcli.core.text.tokens import fold_all, words
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT, Reporter
from dlcli.support.seeds import derive

RECIPE = Recipe(epochs=8, batch_size=256, optimizer="adam", lr=2e-3, schedule="cosine", dtype="float32")


@dataclass(frozen=True)
class Recurrent:
    """Hyperparameters of `birnn`.

    Attributes:
        vectors: Initial word vectors: word2vec or spacy:PACKAGE; "" for random ones.
        dimensions: Width of random word vectors.
        min_count: Number of training texts a word must be in to get a vector of its own; all other words share one.
        hidden: Hidden units of the GRU in each direction.
        channels: Output channels of each convolution.
        dropout: Probability of dropping a unit.
        lexical: Whether the head takes the lexical features as well.
        recipe: How to train.
    """

    vectors: str = ""
    dimensions: int = 100
    min_count: int = 2
    hidden: int = 96
    channels: int = 96
    dropout: float = 0.3
    lexical: bool = False
    recipe: Recipe = RECIPE

    def fit(
        self, train: LabelledPairs, dev: LabelledPairs, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Train on `train`, choose the epoch and calibrate on `dev`; see `PairEstimator`. `encoder` is ignored."""
        keys = sorted(set(fold_all(train.texts)))
        word_ids = build_vocabulary(keys, min_count=self.min_count)
        table = self._initial_vectors(keys, word_ids.hashes, seed)
        trainer = PairTrainer("birnn", train, dev, self.recipe, seed, report, self.lexical)
        shape: dict[str, Any] = {"hidden": self.hidden, "channels": self.channels, "dropout": self.dropout}
        net = trainer.train_network(lambda _: RecurrentNet(table, trainer.scale.shape[1], **shape), word_ids)
        return trainer.calibrated(net, word_ids, shape)

    def _initial_vectors(self, keys: list[str], hashes: NDArray[np.int64], seed: int) -> Tensor:
        """Vectors by id, (words + 2, dimensions): row 0 is for padding, row 1 for any unknown word."""
        random = np.random.default_rng(derive(seed, "table"))
        if not self.vectors:
            return torch.from_numpy(random.normal(0, 0.1, (len(hashes) + 2, self.dimensions)).astype(np.float32))
        spelling = {word_hash(word): word for key in keys for piece in key.split() for word in words(piece)}
        rows = word_vectors(self.vectors, keys, [spelling[k] for k in hashes.tolist()])
        # Words without a vector get random ones of the same spread, so that no layer can tell them apart by their size.
        drawn = random.normal(0, rows.std() or 0.1, (len(hashes) + 2, rows.shape[1])).astype(np.float32)
        known = rows.any(axis=1)
        drawn[2:][known] = rows[known]
        return torch.from_numpy(drawn)


SCORER = Recurrent()


def load(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model with these settings and arrays; raises KeyError if one is missing, RuntimeError if they do not fit."""
    word_ids, table = WordIdEncoder(arrays["reader.hashes"]), torch.zeros(arrays["net.table"].shape)
    shape = {name: settings[name] for name in ("hidden", "channels", "dropout")}
    return load_network(RecurrentNet(table, arrays["scale"].shape[1], **shape), word_ids, settings, arrays)
