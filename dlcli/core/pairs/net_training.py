"""How networks over pairs are fitted, applied and kept: what `siamese`, `fc`, `words` and `birnn` share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.compute.rng import derive, generator, preserved
from dlcli.core.evaluation.metrics import auc
from dlcli.core.pairs.architectures import PairNet
from dlcli.core.pairs.encoders import Encoder, read_encoder
from dlcli.core.pairs.labelled import Labelled
from dlcli.core.pairs.scorer import Floats, PairScorer, calibrated, keyed, lexical_features, under
from dlcli.core.text.scoring.features import Rows, word_hash
from dlcli.core.text.tokens import words
from dlcli.core.training.loop import memory_error_context
from dlcli.core.training.recipe import Recipe, build_optimizer, steps_per_epoch
from dlcli.support.errors import NumericError
from dlcli.support.reporter import Reporter, Task

LONGEST = 40
"""Words of a text beyond these are not read by networks over words."""
_AT_ONCE = 4096
_TOO_LARGE = ("the memory does not suffice to train on pairs", "fewer pairs, or shorter vectors, need less")


class Reader(Protocol):
    """What makes rows for a network of keys."""

    def read(self, keys: list[str]) -> NDArray[Any]:
        """The rows (n, width) of distinct keys, floats or numbers of words."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it needs to read the same again."""


@dataclass(frozen=True)
class ByVector:
    """Texts as the rows of an encoder."""

    encoder: Encoder

    def read(self, keys: list[str]) -> NDArray[np.float32]:
        """The vectors (n, dimensions)."""
        return self.encoder.encode(keys)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those of the encoder."""
        return self.encoder.arrays()


@dataclass(frozen=True)
class ByWord:
    """Texts as numbers of words: word k of `hashes` (CRC-32, sorted) is 2 + k, any other word 1, and 0 is none."""

    hashes: NDArray[np.int64]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.hashes) + 2

    def read(self, keys: list[str]) -> NDArray[np.int64]:
        """The numbers (n, LONGEST) of the first words, filled up with 0."""
        numbers: dict[str, list[int]] = {}
        found = np.zeros((len(keys), LONGEST), np.int64)
        for row, key in enumerate(keys):
            inside = [number for piece in key.split() for number in self._numbers(numbers, piece)][:LONGEST]
            found[row, : len(inside)] = inside
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The words."""
        return {"hashes": self.hashes}

    def _numbers(self, known: dict[str, list[int]], piece: str) -> list[int]:
        if piece not in known:
            hashes = np.array([word_hash(word) for word in words(piece)], np.int64)
            places = np.searchsorted(self.hashes, hashes)
            there = np.append(self.hashes, -1)[places] == hashes
            known[piece] = np.where(there, places + 2, 1).tolist()
        return known[piece]


def words_of(keys: list[str], *, least: int) -> ByWord:
    """The words that at least so many of the keys have."""
    counts: dict[str, int] = {}
    for key in keys:
        for word in {word for piece in key.split() for word in words(piece)}:
            counts[word] = counts.get(word, 0) + 1
    return ByWord(np.unique(np.array([word_hash(word) for word, n in counts.items() if n >= least], np.int64)))


@dataclass(frozen=True)
class NetModel:
    """A fitted network, what reads texts for it, and the scale of the lexical features it sees, (2, k): mean and spread."""

    net: PairNet
    reader: Reader
    scale: Floats
    settings: Mapping[str, Any]

    def odds(self, texts: Sequence[str], first: Rows, second: Rows) -> Floats:
        """What grows with the probability of a duplicate, (pairs,)."""
        return _odds(self.net, _prepared(self.reader, self.scale, texts, first, second))

    def card(self) -> dict[str, Any]:
        """The settings from which the network is built again."""
        return dict(self.settings)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The weights, the scale, and what the reader needs."""
        state = {f"net.{name}": value.detach().cpu().numpy() for name, value in self.net.state_dict().items()}
        return state | {"scale": self.scale} | {f"reader.{name}": value for name, value in self.reader.arrays().items()}


def read_net(net: PairNet, reader: Reader, card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NetModel:
    """The model of a network with the shape of the one that was kept; raises KeyError or RuntimeError if they do not fit."""
    net.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in under(arrays, "net.").items()})
    return NetModel(net.eval(), reader, arrays["scale"], card)


def dense_card(encoder: Encoder, shape: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a network over vectors."""
    return {"vectors": encoder.spec, "unit_length": getattr(encoder, "unit_length", True), **shape}


def read_dense(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Encoder:
    """The encoder of a network over vectors."""
    return read_encoder(card["vectors"], under(arrays, "reader."), unit_length=card["unit_length"])


@dataclass(frozen=True)
class _Inputs:
    """Rows of distinct texts (texts, width), pairs by number, and scaled features (pairs, k)."""

    rows: Tensor
    first: Tensor
    second: Tensor
    features: Tensor

    def batch(self, picked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.rows[self.first[picked]], self.rows[self.second[picked]], self.features[picked]


def _scale_of(train: Labelled) -> Floats:
    """Mean and spread of the lexical features of the training pairs, (2, k)."""
    features = lexical_features(train.texts, train.first, train.second)
    spread = features.std(axis=0)
    return np.stack([features.mean(axis=0), np.where(spread > 0, spread, 1)])


def _prepared(reader: Reader, scale: Floats, texts: Sequence[str], first: Rows, second: Rows) -> _Inputs:
    keys, a, b = keyed(texts, first, second)
    features = np.empty((len(first), 0))
    if scale.shape[1]:
        features = ((lexical_features(texts, first, second) - scale[0]) / scale[1]).clip(-5, 5)
    rows = torch.from_numpy(np.ascontiguousarray(reader.read(keys)))
    return _Inputs(rows, torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(features.astype(np.float32)))


@dataclass(frozen=True)
class Fitting:
    """Training of the scorer `name`, in float32 on the CPU; with `lexical` its network sees the lexical features too.

    The weights are those of the epoch with the best dev AUC. The same seed and thread count give the same weights to the bit.
    """

    name: str
    train: Labelled
    dev: Labelled
    recipe: Recipe
    seed: int
    report: Reporter
    lexical: bool = False

    @cached_property
    def scale(self) -> Floats:
        """Mean and spread of the features that the network sees, (2, k)."""
        return _scale_of(self.train) if self.lexical else np.empty((2, 0))

    def net(self, build: Callable[[int], PairNet], reader: Reader) -> PairNet:
        """Train what `build(width of a row)` gives; raises NumericError if the loss is not finite from the start."""
        inputs, watched = (self._prepared(reader, part) for part in (self.train, self.dev))
        y, best, kept = torch.from_numpy(self.train.duplicate.astype(np.float32)), -1.0, {}
        total = self.recipe.epochs * steps_per_epoch(len(y), self.recipe.batch_size)
        with preserved(), memory_error_context(*_TOO_LARGE), self.report.task(f"training {self.name}", total=total) as task:
            torch.manual_seed(derive(self.seed, "init"))
            net = build(inputs.rows.shape[1])
            for epoch in self._epochs(net, inputs, y, task):
                area = _area(net, watched, self.dev)
                task.set_status(f"epoch {epoch}/{self.recipe.epochs}, dev AUC {area:.4f}")
                if area > best:
                    best, kept = area, {name: value.clone() for name, value in net.state_dict().items()}
        if not kept:
            raise NumericError(f"training {self.name}: the loss is not finite", hint="try another --model or --vectors")
        net.load_state_dict(kept)
        return net.eval()

    def calibrated(self, net: PairNet, reader: Reader, card: Mapping[str, Any]) -> PairScorer:
        """The scorer of a trained network."""
        return calibrated(self.name, NetModel(net, reader, self.scale, card), self.dev)

    def _prepared(self, reader: Reader, part: Labelled) -> "_Inputs":
        return _prepared(reader, self.scale, part.texts, part.first, part.second)

    def _epochs(self, net: PairNet, inputs: "_Inputs", y: Tensor, task: Task) -> Iterator[int]:
        """Train epoch by epoch, and say after each which it was, from 1."""
        recipe, order = self.recipe, generator(derive(self.seed, "order"))
        steps = steps_per_epoch(len(y), recipe.batch_size)
        optimizer = build_optimizer(recipe, net.parameters(), torch.device("cpu"))
        for epoch in range(recipe.epochs):
            net.train()
            # Even batches, as in `core.training.loop`: a short last one would break BatchNorm.
            for step, picked in enumerate(torch.randperm(len(y), generator=order).tensor_split(steps)):
                lr = recipe.lr_at((epoch + step / steps) / recipe.epochs)
                _step(net, optimizer, lr, inputs.batch(picked), y[picked])
                task.advance()
            yield epoch + 1


def _step(net: PairNet, optimizer: torch.optim.Optimizer, lr: float, batch: tuple[Tensor, Tensor, Tensor], y: Tensor) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(net.loss(net(*batch), y))
    optimizer.step()


def _area(net: PairNet, inputs: _Inputs, pairs: Labelled) -> float:
    """The area under the ROC curve; -1 if the network's outputs are not finite."""
    odds = _odds(net, inputs)
    found = auc(odds, pairs.duplicate) if np.isfinite(odds).all() else None
    return -1.0 if found is None else found.value


def _odds(net: PairNet, inputs: _Inputs) -> Floats:
    net.eval()
    with torch.no_grad():
        rows = torch.arange(len(inputs.first))
        parts = [net.odds(net(*inputs.batch(picked))) for picked in rows.split(_AT_ONCE) if len(picked)]
    return torch.cat([torch.empty(0), *parts]).numpy().astype(np.float64)
