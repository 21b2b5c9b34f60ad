"""Training, applying and storing networks over pairs of texts: what `siamese`, `fc`, `words` and `birnn` share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.batches import memory_error_context
from dlcli.core.compute.precision import float32_precision
from dlcli.core.compute.rng import generator, preserved
from dlcli.core.evaluation.metrics import auc
from dlcli.core.pairs.architectures import PairNet
from dlcli.core.pairs.encoders import Encoder, load_encoder
from dlcli.core.pairs.labelled import LabelledPairs
from dlcli.core.pairs.scorer import Floats, PairScorer, calibrated, fold_pairs, lexical_features, strip_prefix
from dlcli.core.text.scoring.arrays import Rows
from dlcli.core.text.scoring.rarity import word_hash
from dlcli.core.text.tokens import words
from dlcli.core.training.recipe import Recipe, build_optimizer, steps_per_epoch
from dlcli.support.errors import NumericError
from dlcli.support.reporter import Reporter, Task
from dlcli.support.seeds import derive

MAX_WORDS = 40
"""Networks over words read this many words of a text and ignore the rest."""
_INFERENCE_BATCH = 4096
_TOO_LARGE = ("out of memory training on pairs", "use fewer pairs, or shorter vectors")


class InputEncoder(Protocol):
    """Turns folded texts into the rows that a network takes: an `Encoder` of vectors, or a `WordIdEncoder`."""

    def encode(self, keys: list[str]) -> NDArray[Any]:
        """The rows of distinct keys, (n, width): vectors, or ids of words."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned from the training texts, by name."""


@dataclass(frozen=True)
class WordIdEncoder:
    """Texts as ids of words: 0 is padding, 1 an unknown word, 2 + k the word of the k-th of the sorted CRC-32 `hashes`."""

    hashes: NDArray[np.int64]

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.hashes) + 2

    def encode(self, keys: list[str]) -> NDArray[np.int64]:
        """The ids of the first `MAX_WORDS` words of each text, (n, MAX_WORDS), padded with 0."""
        known: dict[str, list[int]] = {}
        found = np.zeros((len(keys), MAX_WORDS), np.int64)
        for row, key in enumerate(keys):
            ids = [number for piece in key.split() for number in self._ids(known, piece)][:MAX_WORDS]
            found[row, : len(ids)] = ids
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The hashes of the words."""
        return {"hashes": self.hashes}

    def _ids(self, known: dict[str, list[int]], piece: str) -> list[int]:
        """The ids of the words in a piece of text without blanks; `known` caches them."""
        if piece not in known:
            hashes = np.array([word_hash(word) for word in words(piece)], np.int64)
            places = np.searchsorted(self.hashes, hashes)
            found = np.append(self.hashes, -1)[places] == hashes
            known[piece] = np.where(found, places + 2, 1).tolist()
        return known[piece]


def build_vocabulary(keys: list[str], *, min_count: int) -> WordIdEncoder:
    """The encoder for the words that are in at least `min_count` of the keys."""
    counts: dict[str, int] = {}
    for key in keys:
        for word in {word for piece in key.split() for word in words(piece)}:
            counts[word] = counts.get(word, 0) + 1
    return WordIdEncoder(np.unique(np.array([word_hash(word) for word, n in counts.items() if n >= min_count], np.int64)))


@dataclass(frozen=True)
class NetModel:
    """A trained network over pairs.

    Attributes:
        net: The network.
        encoder: Makes its input from texts.
        scale: Mean and standard deviation of the lexical features it takes, (2, k); k is 0 if it takes none.
        settings: What the network is built from.
    """

    net: PairNet
    encoder: InputEncoder
    scale: Floats
    settings: Mapping[str, Any]

    def decision_function(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """Uncalibrated scores that increase with the probability of a duplicate, (pairs,)."""
        return _scores(self.net, _inputs(self.encoder, self.scale, texts, first, second))

    def metadata(self) -> dict[str, Any]:
        """The settings from which the network is built again."""
        return dict(self.settings)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights, the scale of the features, and the arrays of the encoder."""
        state = {f"net.{name}": value.detach().cpu().numpy() for name, value in self.net.state_dict().items()}
        return state | {"scale": self.scale} | {f"reader.{name}": value for name, value in self.encoder.arrays().items()}


def load_network(
    net: PairNet, encoder: InputEncoder, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> NetModel:
    """Load stored weights into a network.

    Args:
        net: A network of the stored architecture, with any weights.
        encoder: The encoder of its inputs.
        settings: The settings that were stored with the weights.
        arrays: What `NetModel.arrays` gave.

    Returns:
        The model, in evaluation mode.

    Raises:
        KeyError: An array is missing.
        RuntimeError: The weights do not fit the network.
    """
    net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in strip_prefix(arrays, "net.").items()})
    return NetModel(net.eval(), encoder, arrays["scale"], settings)


def vector_settings(encoder: Encoder, shape: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a network over vectors: those of its encoder, and its `shape`."""
    return {"vectors": encoder.spec, "unit_length": getattr(encoder, "unit_length", True), **shape}


def load_vector_encoder(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Encoder:
    """The encoder of a network over vectors, from what was stored."""
    return load_encoder(settings["vectors"], strip_prefix(arrays, "reader."), unit_length=settings["unit_length"])


class _Batch(NamedTuple):
    """What `PairNet.forward` takes: rows of the first and the second texts, and features."""

    a: Tensor
    b: Tensor
    features: Tensor


@dataclass(frozen=True)
class _Inputs:
    """Rows of distinct texts, (texts, width), pairs as indices into them, and standardised features, (pairs, k)."""

    rows: Tensor
    first: Tensor
    second: Tensor
    features: Tensor

    def batch(self, picked: Tensor) -> _Batch:
        """The pairs of these indices. Rows are gathered here, so a text of many pairs is stored once."""
        return _Batch(self.rows[self.first[picked]], self.rows[self.second[picked]], self.features[picked])


def _feature_scale(train: LabelledPairs) -> Floats:
    """Mean and standard deviation of the lexical features of the training pairs, (2, k)."""
    features = lexical_features(train.texts, train.first, train.second)
    spread = features.std(axis=0)
    return np.stack([features.mean(axis=0), np.where(spread > 0, spread, 1)])


def _inputs(encoder: InputEncoder, scale: Floats, texts: Sequence[str], first: Rows, second: Rows) -> _Inputs:
    folded = fold_pairs(texts, first, second)
    features = np.empty((len(first), 0))
    if scale.shape[1]:
        # Clipped, because a rare word can push a standardised feature far outside of anything seen in training.
        features = ((lexical_features(texts, first, second) - scale[0]) / scale[1]).clip(-5, 5)
    rows = torch.from_numpy(np.ascontiguousarray(encoder.encode(folded.keys)))
    a, b = torch.from_numpy(folded.first), torch.from_numpy(folded.second)
    return _Inputs(rows, a, b, torch.from_numpy(features.astype(np.float32)))


@dataclass(frozen=True)
class PairTrainer:
    """Trains a network on pairs, in float32 on the CPU; the same seed and thread count give the same weights bit for bit.

    Training runs for all epochs of the recipe and keeps the weights of the epoch with the best AUC on the dev pairs. It does
    not stop before the last epoch, because the schedule of the learning rate is made for that number of epochs.

    Attributes:
        name: The registry's name of the scorer, for progress and errors.
        train: Pairs to learn from.
        dev: Pairs that choose the epoch and calibrate the scorer.
        recipe: Epochs, batch size, optimizer and learning rate.
        seed: Seed of the initial weights and of the order of the pairs.
        report: Receives progress.
        lexical: Whether the network takes the lexical features as well.
    """

    name: str
    train: LabelledPairs
    dev: LabelledPairs
    recipe: Recipe
    seed: int
    report: Reporter
    lexical: bool = False

    @cached_property
    def scale(self) -> Floats:
        """Mean and standard deviation of the features that the network takes, (2, k)."""
        return _feature_scale(self.train) if self.lexical else np.empty((2, 0))

    def train_network(self, build: Callable[[int], PairNet], encoder: InputEncoder) -> PairNet:
        """Train a network.

        Args:
            build: Makes the network with its initial weights, given the width of a row of the encoder.
            encoder: Makes the rows of the texts.

        Returns:
            The network of the best epoch, in evaluation mode.

        Raises:
            NumericError: The loss was not finite after any epoch.
            ResourceError: Out of memory.
        """
        inputs, dev_inputs = (self._inputs(encoder, part) for part in (self.train, self.dev))
        y, best, kept = torch.from_numpy(self.train.duplicate.astype(np.float32)), -1.0, {}
        total = self.recipe.epochs * steps_per_epoch(len(y), self.recipe.batch_size)
        with preserved(), memory_error_context(*_TOO_LARGE), self.report.task(f"training {self.name}", total=total) as task:
            torch.manual_seed(derive(self.seed, "init"))
            net = build(inputs.rows.shape[1])
            for epoch in self._epochs(net, inputs, y, task):
                area = _auc(net, dev_inputs, self.dev)
                task.set_status(f"epoch {epoch}/{self.recipe.epochs}, dev AUC {area:.4f}")
                # Strictly better, so that of equal epochs the first is kept, and an epoch that diverged (-1) never is.
                if area > best:
                    best, kept = area, {name: value.clone() for name, value in net.state_dict().items()}
        if not kept:
            raise NumericError(f"training {self.name}: the loss is not finite", hint="try another `model` or other `vectors`")
        net.load_state_dict(kept)
        return net.eval()

    def calibrated(self, net: PairNet, encoder: InputEncoder, settings: Mapping[str, Any]) -> PairScorer:
        """The scorer of a trained network, calibrated on the dev pairs; `settings` are stored with it."""
        return calibrated(self.name, NetModel(net, encoder, self.scale, settings), self.dev)

    def _inputs(self, encoder: InputEncoder, part: LabelledPairs) -> _Inputs:
        return _inputs(encoder, self.scale, part.texts, part.first, part.second)

    def _epochs(self, net: PairNet, inputs: _Inputs, y: Tensor, task: Task) -> Iterator[int]:
        """Train one epoch at a time, and yield its number after each, from 1."""
        recipe, order = self.recipe, generator(derive(self.seed, "order"))
        steps = steps_per_epoch(len(y), recipe.batch_size)
        optimizer = build_optimizer(recipe, net.parameters(), torch.device("cpu"))
        for epoch in range(recipe.epochs):
            # Again in each epoch: the evaluation on the dev pairs has switched the network to evaluation mode.
            net.train()
            # Batches of nearly equal size, as in `core.training.loop`: BatchNorm breaks on a last batch of one pair.
            for step, picked in enumerate(torch.randperm(len(y), generator=order).tensor_split(steps)):
                lr = recipe.lr_at(epoch, step, steps)
                _step(net, optimizer, lr, inputs.batch(picked), y[picked])
                task.advance()
            yield epoch + 1


def _step(net: PairNet, optimizer: torch.optim.Optimizer, lr: float, batch: _Batch, y: Tensor) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(net.loss(net(*batch), y))
    optimizer.step()


def _auc(net: PairNet, inputs: _Inputs, pairs: LabelledPairs) -> float:
    """The area under the ROC curve; -1 if a score is not finite."""
    scores = _scores(net, inputs)
    found = auc(scores, pairs.duplicate) if np.isfinite(scores).all() else None
    return -1.0 if found is None else found.value


def _scores(net: PairNet, inputs: _Inputs) -> Floats:
    net.eval()
    with float32_precision("ieee"), torch.no_grad():
        rows = torch.arange(len(inputs.first))
        parts = [net.decision_function(net(*inputs.batch(picked))) for picked in rows.split(_INFERENCE_BATCH) if len(picked)]
    return torch.cat([torch.empty(0), *parts]).numpy().astype(np.float64)
