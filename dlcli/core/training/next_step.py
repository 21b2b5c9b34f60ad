"""Prediction of the next step of sequences: what is predicted, its loss in nats, and simple predictions to compare with.

What a step is decides the distribution: one of several symbols (categorical), several notes that sound or do not (binary, as in
a piano roll), or numbers (gaussian: a mean and a variance of each channel, of standardised values).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, pi
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from dlcli.core.compute.batches import in_batches
from dlcli.core.compute.device import at_a_time
from dlcli.core.compute.forward import in_mode, logits_of
from dlcli.core.compute.padding import lengths_of
from dlcli.core.compute.precision import float32_precision
from dlcli.core.objectives.base import TaskObjective
from dlcli.support.errors import InputError
from dlcli.support.plural import count

CATEGORICAL, BINARY, GAUSSIAN = "categorical", "binary", "gaussian"
KINDS = (CATEGORICAL, BINARY, GAUSSIAN)

_NONE = -100
"""The target of a step that no other follows."""
_WIDEST = 10.0
"""The largest size of a log-variance, in standardised units."""
_ADDED = 1.0
"""What is added to each count of a baseline, so that nothing has probability 0 (Laplace)."""

Floats = NDArray[np.float64]


def kind_of_steps(x: Tensor) -> str:
    """What a step of padded sequences (n, channels, t) is."""
    there = x.movedim(1, 2)[~x[:, 0].isnan()]
    if not bool(((there == 0) | (there == 1)).all()):
        return GAUSSIAN
    return CATEGORICAL if there.shape[1] > 1 and bool((there.sum(1) == 1).all()) else BINARY


@dataclass(frozen=True)
class NextStepLoss(TaskObjective):
    """The negative log-likelihood of the next step.

    Attributes:
        kind: One of KINDS.
        channels: The names of the channels.
        mean: Of each channel of numbers, in training; empty for other kinds.
        deviation: Their standard deviations.
    """

    name: ClassVar[str] = "next-step"
    kind: str
    channels: tuple[str, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `TaskObjective`."""
        if self.kind != GAUSSIAN:
            return self.channels
        return (*(f"mean {name}" for name in self.channels), *(f"log-variance {name}" for name in self.channels))

    def targets(self, x: Tensor) -> Tensor:
        """What follows each step of padded sequences (n, channels, t): symbols (n, t), or values (n, channels, t)."""
        following = torch.cat([x[:, :, 1:], torch.full_like(x[:, :, :1], torch.nan)], 2)
        if self.kind == CATEGORICAL:
            return following.nan_to_num(0.0).argmax(1).masked_fill(following[:, 0].isnan(), _NONE)
        if self.kind == GAUSSIAN:
            mean, deviation = (torch.tensor(one, dtype=x.dtype)[:, None] for one in (self.mean, self.deviation))
            return (following - mean) / deviation
        return following

    def nats(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The negative log-likelihood (n, t) of targets `y`, 0 where nothing follows.

        Args:
            outputs: Of a network, (n, k, t).
            y: As `targets` gives them.
        """
        if self.kind == CATEGORICAL:
            return cross_entropy(outputs, y, reduction="none", ignore_index=_NONE)
        there = ~y[:, 0].isnan()
        known = y.nan_to_num(0.0)
        if self.kind == BINARY:
            each = binary_cross_entropy_with_logits(outputs, known, reduction="none")
        else:
            mean, width = outputs.chunk(2, 1)
            width = width.clamp(-_WIDEST, _WIDEST)
            each = 0.5 * (width + (known - mean).square() * torch.exp(-width) + log(2 * pi))
        return each.sum(1) * there

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean over steps."""
        return self.nats(outputs, y).sum() / self.weight(y)

    def weight(self, y: Tensor) -> Tensor:
        """The number of steps that another follows."""
        found: Tensor = ((y != _NONE) if self.kind == CATEGORICAL else ~y[:, 0].isnan()).sum().clamp(min=1)
        return found

    def notes(self) -> tuple[str, ...]:
        """What a step was taken to be."""
        several = f"{count(len(self.channels), 'channel')} that are 0 or 1, each by itself"
        what = {
            CATEGORICAL: f"one of {len(self.channels):,} symbols",
            BINARY: several if len(self.channels) > 1 else "one channel that is 0 or 1",
            GAUSSIAN: "numbers, with a mean and a variance of each channel; bits are of the density of standardised values",
        }
        return (f"A step is {what[self.kind]}.",)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"kind": self.kind, "channels": list(self.channels), "mean": list(self.mean), "deviation": list(self.deviation)}

    @staticmethod
    def of(x: Tensor, symbols: Sequence[str]) -> "NextStepLoss":
        """The loss for padded sequences (n, channels, t) to train on, whose channels may stand for `symbols`."""
        kind, names = kind_of_steps(x), tuple(symbols) or tuple(str(k) for k in range(x.shape[1]))
        if kind != GAUSSIAN:
            return NextStepLoss(kind, names)
        values = [channel[~channel.isnan()].double() for channel in x.movedim(1, 0)]
        means = tuple(float(one.mean()) for one in values)
        return NextStepLoss(kind, names, means, tuple(float(one.std(correction=0)) or 1.0 for one in values))


class Coded(NamedTuple):
    """Bits and predicted steps of each sequence, (n,) each."""

    bits: Floats
    steps: Floats

    @property
    def per_step(self) -> float:
        """Bits per step, over all sequences."""
        return float(self.bits.sum() / max(1.0, float(self.steps.sum())))


def coded(model: nn.Module, x: Tensor, objective: NextStepLoss, device: torch.device) -> Coded:
    """The bits that a network needs for padded sequences (n, channels, t), in evaluation mode.

    Args:
        model: A network with outputs (n, k, t).
        x: The sequences.
        objective: What they are.
        device: Where the network is.

    Raises:
        InputError: If the network fails, or returns anything else.
    """

    def bits(batch: Tensor) -> Tensor:
        outputs = logits_of(model, batch.to(device), axes=1).float().cpu()
        return objective.nats(outputs, objective.targets(batch)).double().sum(1) / log(2)

    with float32_precision("ieee"), in_mode(model), torch.no_grad():
        found = torch.cat(list(in_batches(bits, x, size=at_a_time(64, x, device), device=device)))
    return Coded(found.numpy(), (lengths_of(x) - 1).clamp(min=0).double().numpy())


class Baselines(NamedTuple):
    """What simple predictions need for the same sequences.

    Attributes:
        frequencies: That of each step by itself: of the symbols, of each channel, or a normal distribution.
        markov: That of each step given the one before: a first-order Markov chain, of each channel by itself where there are
            several; of numbers a regression on the step before.
    """

    frequencies: Coded
    markov: Coded


def baselines(train: Tensor, test: Tensor, objective: NextStepLoss) -> Baselines:
    """Simple predictions, fitted to `train` and used on `test`, both (n, channels, t)."""
    fitted: Callable[[Tensor], tuple[Tensor, Tensor]] = _FIT[objective.kind](train, objective)
    steps = (lengths_of(test) - 1).clamp(min=0).double().numpy()
    return Baselines(*(Coded((nats / log(2)).numpy(), steps) for nats in fitted(test)))


def _pairs(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Steps (n, channels, t - 1), those that follow, and whether one does (n, t - 1), in float64."""
    before, after = x[:, :, :-1].double(), x[:, :, 1:].double()
    there = ~after[:, 0].isnan()
    return before.nan_to_num(0.0), after.nan_to_num(0.0), there


def _categorical(train: Tensor, objective: NextStepLoss) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    before, after, there = _pairs(train)
    first, second = before.movedim(1, 2)[there], after.movedim(1, 2)[there]
    counts = first.T @ second + _ADDED
    alone = (second.sum(0) + _ADDED).log() - (second.sum(0) + _ADDED).sum().log()
    chain = counts.log() - counts.sum(1, keepdim=True).log()

    def nats(x: Tensor) -> tuple[Tensor, Tensor]:
        before, after, there = _pairs(x)
        a, b = before.argmax(1), after.argmax(1)
        return -(alone[b] * there).sum(1), -(chain[a, b] * there).sum(1)

    return nats


def _binary(train: Tensor, objective: NextStepLoss) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    before, after, there = _pairs(train)
    first, second = before.movedim(1, 2)[there], after.movedim(1, 2)[there]
    alone = (second.sum(0) + _ADDED) / (len(second) + 2 * _ADDED)
    chain = [((second * (first == state)).sum(0) + _ADDED) / ((first == state).sum(0) + 2 * _ADDED) for state in (0, 1)]

    def nats(x: Tensor) -> tuple[Tensor, Tensor]:
        before, after, there = _pairs(x)
        given = torch.where(before == 1, chain[1][:, None], chain[0][:, None])
        found = []
        for p in (alone[:, None].expand_as(given), given):
            each = -(after * p.log() + (1 - after) * (1 - p).log())
            found.append((each.sum(1) * there).sum(1))
        return found[0], found[1]

    return nats


def _gaussian(train: Tensor, objective: NextStepLoss) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    mean, deviation = (torch.tensor(one, dtype=torch.float64)[:, None] for one in (objective.mean, objective.deviation))

    def standard(x: Tensor) -> Tensor:
        return (x.double() - mean) / deviation

    before, after, there = _pairs(standard(train))
    first, second = before.movedim(1, 2)[there], after.movedim(1, 2)[there]
    a = first - first.mean(0)
    slope = (a * second).sum(0) / a.square().sum(0).clamp(min=1e-12)
    shift = second.mean(0) - slope * first.mean(0)
    left = (second - shift - slope * first).square().mean(0).clamp(min=1e-12)
    middle, spread = second.mean(0), second.var(0, correction=0).clamp(min=1e-12)

    def nats(x: Tensor) -> tuple[Tensor, Tensor]:
        before, after, there = _pairs(standard(x))
        expected = shift[:, None] + slope[:, None] * before
        found = []
        for centre, variance in ((middle[:, None], spread[:, None]), (expected, left[:, None])):
            each = 0.5 * ((2 * pi * variance).log() + (after - centre).square() / variance)
            found.append((each.sum(1) * there).sum(1))
        return found[0], found[1]

    return nats


_FIT = {CATEGORICAL: _categorical, BINARY: _binary, GAUSSIAN: _gaussian}


def check_predictable(name: str, x: Tensor) -> None:
    """Raise InputError if no sequence of padded ones (n, channels, t) has two steps."""
    if not len(x) or int(lengths_of(x).max()) < 2:
        raise InputError(f"{name}: has no training sequence of two steps", hint="choose other data")
