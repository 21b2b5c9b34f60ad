"""`siamese`: a Siamese network, which maps each text through the same dense layers and compares by distance.

Three dense layers of width 128, BatchNorm before ReLU, residual connections around layers 2 and 3, the outputs of all layers
concatenated, BatchNorm; Euclidean distance, contrastive loss with margin 1, Adam. Each of these can be switched off, for
ablations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from dlcli.core.pairs.architectures import RESIDUALS, SiameseNet
from dlcli.core.pairs.encoders import Encoder, fit_encoder
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.net_training import NetModel, PairTrainer, load_network, load_vector_encoder, vector_settings
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.tokens import fold_all
from dlcli.core.training.recipe import Recipe
from dlcli.support.errors import UsageError
from dlcli.support.reporter import SILENT, Reporter

RECIPE = Recipe(epochs=15, batch_size=128, optimizer="adam", lr=1e-3, schedule="cosine", dtype="float32")
_SHAPE = ("layers", "width", "residual", "dropout", "concatenate", "cosine")


@dataclass(frozen=True)
class Siamese:
    """Hyperparameters of `siamese`; those not listed here are described in `SiameseNet`.

    Attributes:
        vectors: The kind of vectors, as in `vectors` of a configuration.
        unit_length: Whether to scale vectors to length 1, where a text is a mean of word vectors.
        weighted: Whether to weight words by TF-IDF, where a text is a mean of word vectors.
        recipe: How to train.
    """

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
            raise UsageError("`layers` must be above 0, and `dropout` in [0, 1)")

    def fit(
        self, train: LabelledPairs, dev: LabelledPairs, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Train on `train`, choose the epoch and calibrate on `dev`; see `PairEstimator`."""
        if encoder is None:
            keys = sorted(set(fold_all(train.texts)))
            encoder = fit_encoder(self.vectors, keys, weighted=self.weighted, unit_length=self.unit_length)
        shape = {name: getattr(self, name) for name in _SHAPE}
        trainer = PairTrainer("siamese", train, dev, self.recipe, seed, report)
        net = trainer.train_network(lambda width: SiameseNet(width, **shape), encoder)
        return trainer.calibrated(net, encoder, vector_settings(encoder, shape))


SCORER = Siamese()


def load(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model with these settings and arrays; raises KeyError if one is missing, RuntimeError if they do not fit."""
    net = SiameseNet(arrays["net.dense.0.weight"].shape[1], **{name: settings[name] for name in _SHAPE})
    return load_network(net, load_vector_encoder(settings, arrays), settings, arrays)
