"""`siamese`: each text through the same dense layers, and the distance of what comes out.

Dense 128 x 3, BatchNorm before ReLU, residual sums on layers 2 and 3, the three layers side by side, BatchNorm; Euclidean
distance, contrastive loss with margin 1, Adam. The switches are for what happens without each of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from dlcli.core.pairs.architectures import RESIDUALS, SiameseNet
from dlcli.core.pairs.encoders import Encoder, fit_encoder
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.pairs.net_training import ByVector, Fitting, NetModel, dense_card, read_dense, read_net
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.tokens import fold_all
from dlcli.core.training.recipe import Recipe
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT, Reporter

RECIPE = Recipe(epochs=15, batch_size=128, optimizer="adam", lr=1e-3, schedule="cosine", dtype="float32")
_SHAPE = ("layers", "width", "residual", "dropout", "concatenate", "cosine")


@dataclass(frozen=True)
class Siamese:
    """Switches: see `_nets.SiameseNet`; `unit_length` scales vectors that are means of words, and `weighted` is TF-IDF."""

    vectors: str = "word2vec"
    layers: int = 3
    width: int = 128
    residual: str = "before"
    dropout: float = 0.0
    concatenate: bool = True
    cosine: bool = False
    unit_length: bool = True
    weighted: bool = True
    recipe: Recipe = RECIPE

    def __post_init__(self) -> None:
        if self.residual not in RESIDUALS:
            raise UsageError(f"residual '{self.residual}' is not one of {', '.join(RESIDUALS)}")
        if self.layers < 1 or not 0 <= self.dropout < 1:
            raise UsageError("layers must be above 0, and dropout in [0, 1)")

    def fit(
        self, train: Labelled, dev: Labelled, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Learn from `train`, choose the epoch and calibrate on `dev`; see `base.Trainable`."""
        if encoder is None:
            keys = sorted(set(fold_all(train.texts)))
            encoder = fit_encoder(self.vectors, keys, weighted=self.weighted, unit_length=self.unit_length)
        shape = {name: getattr(self, name) for name in _SHAPE}
        fitting = Fitting("siamese", train, dev, self.recipe, seed, report)
        net = fitting.net(lambda width: SiameseNet(width, **shape), ByVector(encoder))
        return fitting.calibrated(net, ByVector(encoder), dense_card(encoder, shape))


SCORER = Siamese()


def read(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model whose card and arrays these are; raises KeyError if one is missing, RuntimeError if they do not fit."""
    net = SiameseNet(arrays["net.dense.0.weight"].shape[1], **{name: card[name] for name in _SHAPE})
    return read_net(net, ByVector(read_dense(card, arrays)), card, arrays)
