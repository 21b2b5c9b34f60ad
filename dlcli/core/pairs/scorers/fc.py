"""`fc`: a fully connected network on |a - b| and a * b of the two texts' vectors, and on the lexical features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from dlcli.core.pairs.architectures import FullyConnectedNet
from dlcli.core.pairs.encoders import Encoder, fit_encoder
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.net_training import NetModel, PairTrainer, load_network, load_vector_encoder, vector_settings
from dlcli.core.pairs.scorer import PairScorer
from dlcli.core.text.tokens import fold_all
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT, Reporter

RECIPE = Recipe(epochs=15, batch_size=256, optimizer="adam", lr=1e-3, schedule="cosine", dtype="float32")


@dataclass(frozen=True)
class FullyConnected:
    """Hyperparameters of `fc`.

    Attributes:
        vectors: The kind of vectors, as in `vectors` of a configuration.
        widths: Widths of the hidden layers.
        dropout: Probability of dropping a hidden unit.
        lexical: Whether the network takes the lexical features as well.
        weighted: Whether to weight words by TF-IDF, where a text is a mean of word vectors.
        recipe: How to train.
    """

    vectors: str = "word2vec"
    widths: tuple[int, ...] = (256, 128)
    dropout: float = 0.3
    lexical: bool = True
    weighted: bool = True
    recipe: Recipe = RECIPE

    def fit(
        self, train: LabelledPairs, dev: LabelledPairs, seed: int, *, encoder: Encoder | None = None, report: Reporter = SILENT
    ) -> PairScorer:
        """Train on `train`, choose the epoch and calibrate on `dev`; see `PairEstimator`."""
        if encoder is None:
            encoder = fit_encoder(self.vectors, sorted(set(fold_all(train.texts))), weighted=self.weighted)
        trainer = PairTrainer("fc", train, dev, self.recipe, seed, report, self.lexical)
        features = trainer.scale.shape[1]
        shape: dict[str, Any] = {"widths": list(self.widths), "dropout": self.dropout}
        net = trainer.train_network(lambda width: FullyConnectedNet(width, features, **shape), encoder)
        return trainer.calibrated(net, encoder, vector_settings(encoder, shape))


SCORER = FullyConnected()


def load(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model with these settings and arrays; raises KeyError if one is missing, RuntimeError if they do not fit."""
    features = arrays["scale"].shape[1]
    dimensions = (len(arrays["net.head.layers.0.weight"]) - features) // 2
    net = FullyConnectedNet(dimensions, features, widths=settings["widths"], dropout=settings["dropout"])
    return load_network(net, load_vector_encoder(settings, arrays), settings, arrays)
