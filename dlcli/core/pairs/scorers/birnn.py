"""`birnn`: words through a table, a bidirectional GRU and 1-D convolutions; a fully connected head on both texts.

The table begins with the vectors of `vectors`, word2vec or spacy, or at random; it is trained with the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.rng import derive
from dlcli.core.pairs.architectures import RecurrentNet
from dlcli.core.pairs.encoders import Encoder, rows_of_words
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.pairs.net_training import ByWord, Fitting, NetModel, read_net, words_of
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.scoring.features import word_hash
from dlcli.core.text.tokens import fold_all, words
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT, Reporter

RECIPE = Recipe(epochs=8, batch_size=256, optimizer="adam", lr=2e-3, schedule="cosine", dtype="float32")


@dataclass(frozen=True)
class Recurrent:
    """`vectors` "" for a table from random numbers; `lexical` shows the head the lexical features too."""

    vectors: str = ""
    dimensions: int = 100
    least: int = 2
    hidden: int = 96
    channels: int = 96
    dropout: float = 0.3
    lexical: bool = False
    recipe: Recipe = RECIPE

    def fit(
        self, train: Labelled, dev: Labelled, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Learn from `train`, choose the epoch and calibrate on `dev`; see `base.Trainable`. There is no use for an encoder."""
        keys = sorted(set(fold_all(train.texts)))
        reader, table = words_of(keys, least=self.least), self._table(keys, seed)
        fitting = Fitting("birnn", train, dev, self.recipe, seed, report, self.lexical)
        shape = {"hidden": self.hidden, "channels": self.channels, "dropout": self.dropout}
        net = fitting.net(lambda _: RecurrentNet(table, fitting.scale.shape[1], **shape), reader)
        return fitting.calibrated(net, reader, shape)

    def _table(self, keys: list[str], seed: int) -> Tensor:
        """The first row is for no word, the second for any word that is not known."""
        hashes = words_of(keys, least=self.least).hashes
        random = np.random.default_rng(derive(seed, "table"))
        if not self.vectors:
            return torch.from_numpy(random.normal(0, 0.1, (len(hashes) + 2, self.dimensions)).astype(np.float32))
        spelt = {word_hash(word): word for key in keys for piece in key.split() for word in words(piece)}
        rows = rows_of_words(self.vectors, keys, [spelt[k] for k in hashes.tolist()])
        drawn = random.normal(0, rows.std() or 0.1, (len(hashes) + 2, rows.shape[1])).astype(np.float32)
        known = rows.any(axis=1)
        drawn[2:][known] = rows[known]
        return torch.from_numpy(drawn)


SCORER = Recurrent()


def read(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model whose card and arrays these are; raises KeyError if one is missing, RuntimeError if they do not fit."""
    reader, table = ByWord(arrays["reader.hashes"]), torch.zeros(arrays["net.table"].shape)
    shape = {name: card[name] for name in ("hidden", "channels", "dropout")}
    return read_net(RecurrentNet(table, arrays["scale"].shape[1], **shape), reader, card, arrays)
