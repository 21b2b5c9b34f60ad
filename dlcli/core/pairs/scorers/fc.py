"""`fc`: a fully connected network on the vectors of the two texts, |a - b| and a * b, and on the lexical features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from dlcli.core.pairs.architectures import DenseNet
from dlcli.core.pairs.encoders import Encoder, fit_encoder
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.pairs.net_training import ByVector, Fitting, NetModel, dense_card, read_dense, read_net
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.tokens import fold_all
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT, Reporter

RECIPE = Recipe(epochs=15, batch_size=256, optimizer="adam", lr=1e-3, schedule="cosine", dtype="float32")


@dataclass(frozen=True)
class FullyConnected:
    """`widths` of the hidden layers; without `lexical` the vectors stand alone; `weighted` is TF-IDF, for means of words."""

    vectors: str = "word2vec"
    widths: tuple[int, ...] = (256, 128)
    dropout: float = 0.3
    lexical: bool = True
    weighted: bool = True
    recipe: Recipe = RECIPE

    def fit(
        self, train: Labelled, dev: Labelled, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Learn from `train`, choose the epoch and calibrate on `dev`; see `base.Trainable`."""
        if encoder is None:
            encoder = fit_encoder(self.vectors, sorted(set(fold_all(train.texts))), weighted=self.weighted)
        fitting = Fitting("fc", train, dev, self.recipe, seed, report, self.lexical)
        features = fitting.scale.shape[1]
        shape = {"widths": list(self.widths), "dropout": self.dropout}
        net = fitting.net(lambda width: DenseNet(width, features, **shape), ByVector(encoder))
        return fitting.calibrated(net, ByVector(encoder), dense_card(encoder, shape))


SCORER = FullyConnected()


def read(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model whose card and arrays these are; raises KeyError if one is missing, RuntimeError if they do not fit."""
    features = arrays["scale"].shape[1]
    dimensions = (len(arrays["net.head.layers.0.weight"]) - features) // 2
    net = DenseNet(dimensions, features, widths=card["widths"], dropout=card["dropout"])
    return read_net(net, ByVector(read_dense(card, arrays)), card, arrays)
