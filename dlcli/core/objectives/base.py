"""What losses share: what a network has to output for them, and how a score is read from that."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.support.errors import UsageError

Floats = NDArray[np.float64]

MOST_LEVELS = 200
"""More integer scores than these are a continuous scale, for which a network needs no output each."""


class Objective(ABC):
    """A loss of the outputs of a network.

    Attributes:
        joint: Whether the loss of a batch is more than a mean over its examples, since it compares them with each other.
    """

    joint: ClassVar[bool] = False

    @abstractmethod
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean loss of a batch.

        Args:
            outputs: Of the network, (n, k) float32.
            y: What they should say, (n,) or (n, ...).
        """

    def weight(self, y: Tensor) -> Tensor | int:
        """What a batch with labels `y` counts for where mean losses of parts are added up: its size, or that of its labels."""
        return len(y)


@dataclass(frozen=True)
class TrainingScores:
    """The scores that a network is trained on.

    Attributes:
        y: The scores, (n,).
        delta: The threshold of the Huber loss, in units of the score; None for one that suits them.
        votes: Those that the scores are means of; None if they are not known.
    """

    y: Floats
    delta: float | None = None
    votes: "Votes | None" = None


@dataclass(frozen=True)
class Votes:
    """The shares (n, levels) of votes that examples got for the integer scores from `low` on."""

    low: int
    shares: Floats

    def at(self, low: int, high: int) -> Floats:
        """The shares (n, high - low + 1) of the scores from `low` to `high`; votes outside count for the nearest."""
        found = np.zeros((len(self.shares), high - low + 1))
        for k, column in enumerate(self.shares.T):
            found[:, int(np.clip(self.low + k, low, high)) - low] += column
        return found


def votes_of_ratings(ratings: Floats | None) -> Votes | None:
    """The votes of ratings (n, raters), NaN where a rater gave none; None if there are none, or one is not an integer."""
    given = np.empty(0) if ratings is None else ratings[np.isfinite(ratings)]
    if ratings is None or not len(given) or (given != np.round(given)).any() or np.ptp(given) >= MOST_LEVELS:
        return None
    low, high = int(given.min()), int(given.max())
    counts = (ratings[:, :, None] == np.arange(low, high + 1)).sum(1)
    return Votes(low, counts / counts.sum(1, keepdims=True))


class TaskObjective(Objective):
    """A loss of another task than that of classes, which decides what a network outputs."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that a network needs."""

    def notes(self) -> tuple[str, ...]:
        """What to tell about it in the result of a training."""
        return ()


class MaskObjective(TaskObjective):
    """A loss of masks: of logits (n, classes, h, w) with labels (n, h, w) uint8; a pixel of no class does not count.

    Attributes:
        classes: The names of the classes.
        class_weights: Weigh the classes, (classes,); None: all alike.
    """

    def __init__(self, classes: tuple[str, ...], class_weights: Tensor | None = None) -> None:
        self.classes, self.class_weights = classes, class_weights

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `TaskObjective`."""
        return self.classes

    def weight(self, y: Tensor) -> Tensor:
        """See `Objective`: the weight of the pixels that have a class."""
        counts = y < len(self.classes)
        if self.class_weights is None:
            return counts.sum()
        return (self.class_weights.to(y.device)[y.clamp(max=len(self.classes) - 1).long()] * counts).sum()


class ScoreObjective(TaskObjective):
    """A loss of scores.

    Its fields are numbers, which the run directory records, so that scores can be read from outputs later.
    """

    @classmethod
    @abstractmethod
    def of(cls, scores: TrainingScores) -> Self:
        """The loss for the scores to train on; raises UsageError if they are no scores for it."""

    @abstractmethod
    def value(self, outputs: Tensor) -> Tensor:
        """The scores (n,) that outputs (n, k) stand for."""

    def targets(self, y: Tensor, votes: "Votes | None") -> Tensor:
        """What the loss takes for scores `y` (n,) and the votes that they are means of; by default the scores."""
        return y

    def calibrated(self, outputs: Tensor, y: Tensor) -> Self:
        """The objective whose values have the scale of scores `y` (n,), for which a trained network has `outputs` (n, k)."""
        return self

    def to_json(self) -> dict[str, Any]:
        """What `objective_from_json` makes it of."""
        return {"loss": self.name, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Standardised(ScoreObjective):
    """One output, the score in standard deviations from the mean of the training scores.

    So rates and initial weights suit any scale, and the loss, in these units, does too.

    Attributes:
        mean: Of the training scores.
        deviation: Their standard deviation.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`."""
        return cls(*moments(scores.y))

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `ScoreObjective`."""
        return ("score",)

    def value(self, outputs: Tensor) -> Tensor:
        """See `ScoreObjective`."""
        return outputs[:, 0] * self.deviation + self.mean

    def standardised(self, y: Tensor) -> Tensor:
        """Scores (n,) in the units of the output."""
        return (y - self.mean) / self.deviation


@dataclass(frozen=True)
class Levels(ScoreObjective):
    """Outputs for the integer scores from `low` to `high`, also for those that no training example has."""

    low: int
    high: int

    @classmethod
    def of(cls, scores: TrainingScores) -> Self:
        """See `ScoreObjective`."""
        fractions = np.flatnonzero(scores.y != np.round(scores.y))
        low, high = int(np.floor(scores.y.min())), int(np.ceil(scores.y.max()))
        if len(fractions) or high - low >= MOST_LEVELS:
            span = f"there are {high - low + 1:,} from {low} to {high}"
            what = f"{scores.y[fractions[0]]:g} is none" if len(fractions) else span
            message = f"`loss={cls.name}` needs scores that are integers, at most {MOST_LEVELS} levels of them; {what}"
            raise UsageError(message, hint="choose `loss=huber`, mse, mae or ranking")
        return cls(low, high)

    @property
    def outputs(self) -> tuple[str, ...]:
        """See `ScoreObjective`."""
        return tuple(map(str, range(self.low, self.high + 1)))

    def level(self, y: Tensor) -> Tensor:
        """The index of the level nearest to each score (n,)."""
        return (y.round().clamp(self.low, self.high) - self.low).long()

    def mean_level(self, p: Tensor) -> Tensor:
        """The mean score (n,) of probabilities (n, levels)."""
        return p @ torch.arange(self.low, self.high + 1, dtype=p.dtype, device=p.device)

    def value(self, outputs: Tensor) -> Tensor:
        """See `ScoreObjective`."""
        return self.mean_level(outputs.softmax(1))


def moments(y: Floats) -> tuple[float, float]:
    """The mean and the standard deviation of scores (n,).

    Returns:
        The two numbers, the second above 0.
    """
    return float(y.mean()), float(y.std()) or 1.0


def restored(kind: type[ScoreObjective], settings: Mapping[str, Any]) -> ScoreObjective:
    """An objective of a class from what `to_json` wrote; raises KeyError or TypeError for anything else."""
    values = {item.name: settings[item.name] for item in fields(kind)}  # type: ignore[arg-type]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values.values()):
        raise TypeError("a setting is not a number")
    return kind(**values)
