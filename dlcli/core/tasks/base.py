"""What a task of images has to say: what data it reads, what is minimised, and which figures there are of a network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.compute.forward import predict_logits
from dlcli.core.data.base import ImageData, Metadata, Split
from dlcli.core.data.frame_names import dependence_notes
from dlcli.core.objectives.base import TaskObjective
from dlcli.core.training.augment import Augmentation, augmentation
from dlcli.specs.train import TrainConfig


@dataclass(frozen=True)
class Epoch:
    """After an epoch: the mean loss of its steps, and a figure and a mean loss in evaluation mode.

    The figure is the one that the task watches (`ImageTask.figure`). `train_figure` is of the first of the training examples,
    `figure` and `loss` are of the dev set, or of the test set if there is none.
    """

    train_loss: float
    train_figure: float
    figure: float
    loss: float

    def named(self, figure: str) -> dict[str, float]:
        """The values by the names under which they are written down; `figure` is the name of the figure."""
        return {
            "train_loss": self.train_loss,
            f"train_{figure}": self.train_figure,
            figure: self.figure,
            "loss": self.loss,
        }

    @staticmethod
    def from_named(values: Mapping[str, Any], figure: str) -> "Epoch":
        """What `named` wrote."""
        return Epoch(values["train_loss"], values[f"train_{figure}"], values[figure], values["loss"])


class Watched(NamedTuple):
    """The figure of the task and the mean loss on a set of examples."""

    figure: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class TrainedFacts:
    """What is known of a trained network, from which its row of a result is made.

    Attributes:
        variant: Its side of a comparison.
        seed: The seed it was trained from.
        history: One entry per epoch.
        best_epoch: The epoch whose weights were kept, from 1.
        n_watched: Number of training examples that are watched.
        epoch_steps: Number of steps of an epoch.
        seconds: Wall-clock time of training.
        sha256: Digest of the weights.
        predicted: What it predicts for the test examples, (n, ...), as `ImageTask.predicted` gives it.
        test: The test examples.
        group: The group of each test example, (n,) from 0 on; None without groups.
        model: The network.
        classes: The names of its outputs.
        cpu_seconds: Seconds of the processor; None where they were not recorded.
        labels_seed: Seed of the draw of labels, if it is not that of the training.
    """

    variant: str
    seed: int
    history: Sequence[Epoch]
    best_epoch: int
    n_watched: int
    epoch_steps: int
    seconds: float
    sha256: str
    predicted: NDArray[Any]
    test: Split
    group: NDArray[np.int64] | None
    model: nn.Module
    classes: tuple[str, ...]
    cpu_seconds: float | None = None
    labels_seed: int | None = None

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept."""
        return self.history[self.best_epoch - 1]


@dataclass(frozen=True)
class VersusMetric:
    """A figure of a row that `versus` compares.

    Attributes:
        figure: Of a row; None if it has none.
        step: In steps of what size it comes; 0 for any.
        longest: How long a network was trained, in what the figure counts: one without the figure counts as the longest of all,
            so that none is dropped (restricted mean times: Royston and Parmar 2013, BMC Med. Res. Methodol. 13, 152).
    """

    figure: Callable[[Any], float | None]
    step: Callable[[Any], float] = lambda row: 0.0
    longest: Callable[[Any], float] | None = None


class ImageTask(ABC):
    """A task that a network learns from images.

    Attributes:
        name: As `task` takes it.
        target: What examples have: CLASS, SCORE or MASK of `dlcli.core.data.base`.
        figure: Name of the figure that is watched after each epoch; more is better.
        figures: What several of it are called.
        label: What it is called on an axis.
        in_percent: Whether that is a share, which is shown in percent.
        metrics: What `versus` compares, by name.
        primary: The names of those that have a verdict in any case; the others only if one of these is established.
        crossed: What is compared for new test examples too, per example (`outcomes`).
        watched_examples: How many training examples are evaluated after each epoch: all of a small set, and little time on a
            large one.
    """

    name: ClassVar[str]
    target: ClassVar[str]
    figure: ClassVar[str]
    figures: ClassVar[str]
    label: ClassVar[str]
    in_percent: ClassVar[bool]
    metrics: ClassVar[Mapping[str, VersusMetric]]
    primary: ClassVar[tuple[str, ...]]
    crossed: ClassVar[str]
    watched_examples: ClassVar[int] = 2000

    @abstractmethod
    def objective(self, data: ImageData, config: TrainConfig) -> TaskObjective | None:
        """The loss that `config` names, for the training set of `data`; None for cross-entropy of classes.

        Raises UsageError if the data are not made for it.
        """

    def normalise(self, data: ImageData, name: str) -> str:
        """The normalisation that `normalise=name` stands for in a training on `data`."""
        return name

    @abstractmethod
    def check(self, data: ImageData, config: TrainConfig) -> None:
        """Raise InputError, before anything is trained, for data on which `config` cannot be carried out."""

    def augmentation(self, data: ImageData, config: TrainConfig) -> Augmentation | None:
        """What `augment` does to training examples; None for nothing."""
        return augmentation(config.augment, data.size)

    def group_column(self, data: ImageData, config: TrainConfig) -> str | None:
        """The metadata column of examples that belong together; None without one."""
        return config.group

    def dependence_notes(self, split: Split, group: NDArray[np.int64] | None, column: str | None, unit: str) -> tuple[str, ...]:
        """What there is to say about how the examples of a test set depend on each other; see `frame_names`."""
        return dependence_notes(split, group, column, unit)

    def targets(self, split: Split, objective: TaskObjective | None, config: TrainConfig, source: str) -> Tensor:
        """What the loss takes for the examples of a set, (n, ...): by default the labels.

        Args:
            split: The set.
            objective: The loss.
            config: The options.
            source: What the set is of, for messages.
        """
        return split.y

    def calibrated(
        self, objective: TaskObjective | None, model: nn.Module, first: Split, device: torch.device
    ) -> TaskObjective | None:
        """The loss once the network is trained, which may read its outputs by another scale.

        Args:
            objective: The loss.
            model: The trained network.
            first: The first of the training examples.
            device: Where to compute.
        """
        return objective

    def facts(self, data: ImageData, objective: TaskObjective | None, config: TrainConfig) -> Mapping[str, Any]:
        """What determines the weights besides what holds for every task, in the terms of JSON: options by their fields."""
        return {}

    def learned(
        self, data: ImageData, objective: TaskObjective | None, predicted: NDArray[Any], config: TrainConfig
    ) -> Mapping[str, Any]:
        """What a run directory records of the task, in the terms of JSON.

        Args:
            data: What was trained and tested on.
            objective: The calibrated loss.
            predicted: What the network predicts for the test set.
            config: The options.
        """
        return {} if config.label_column is None else {"label_column": config.label_column}

    def with_outputs(self, data: ImageData, objective: TaskObjective | None) -> ImageData:
        """The data as a network for this objective sees them: their classes are the names of its outputs."""
        return data if objective is None else replace(data, classes=objective.outputs)

    @abstractmethod
    def watched(
        self, model: nn.Module, split: Split, objective: TaskObjective | None, targets: Tensor, device: torch.device
    ) -> Watched:
        """Figure and mean loss of a network on a set.

        Args:
            model: The network.
            split: The set.
            objective: The loss; None for cross-entropy.
            targets: What the loss takes for the examples.
            device: Where to compute.
        """

    @abstractmethod
    def predicted(self, model: nn.Module, split: Split, objective: TaskObjective | None, device: torch.device) -> NDArray[Any]:
        """What a network predicts for the examples of a set, (n, ...), in the form that the figures are made of.

        Args:
            model: The network.
            split: The set.
            objective: The calibrated loss.
            device: Where to compute.
        """

    @abstractmethod
    def outcomes(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> NDArray[Any]:
        """How each prediction (n, ...), or each group of them, turned out, numbers (m,) whose mean is the figure `crossed`."""

    @abstractmethod
    def row(self, facts: TrainedFacts) -> Any:
        """The row of a trained network in a result."""

    @abstractmethod
    def final_figures(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> Mapping[str, float]:
        """The figures of a finished network on the test set, for logs.

        Args:
            predicted: What it predicts, (n, ...).
            y: What is true, (n, ...).
            group: The group of each example, (n,) from 0 on; None without groups.
        """

    @abstractmethod
    def final_names(self) -> tuple[str, ...]:
        """The names of `final_figures`."""

    @abstractmethod
    def result(
        self,
        data: ImageData,
        rows: tuple[Any, ...],
        common: Mapping[str, Any],
        *,
        objective: TaskObjective | None,
        predicted: NDArray[Any] | None,
        group: str | None,
        raters: Sequence[str],
    ) -> Any:
        """The result of `dlcli train`.

        Args:
            data: What was trained on.
            rows: Those of the networks.
            common: The fields that results of all tasks have.
            objective: The loss; None for cross-entropy of classes.
            predicted: What the only network predicts for the test set; None for a comparison.
            group: The metadata column of groups.
            raters: The metadata columns of raters that were named.
        """


class TaskOfOutputs(ImageTask):
    """A task whose figures are made of the outputs for a whole set at once, which fit in memory."""

    def watched(
        self, model: nn.Module, split: Split, objective: TaskObjective | None, targets: Tensor, device: torch.device
    ) -> Watched:
        """See `ImageTask`.

        Args:
            model: The network.
            split: The set.
            objective: The loss; None for cross-entropy.
            targets: What the loss takes for the examples.
            device: Where to compute.
        """
        return self.watch(predict_logits(model, split.x, device=device), split.y, objective, targets)

    def predicted(self, model: nn.Module, split: Split, objective: TaskObjective | None, device: torch.device) -> NDArray[Any]:
        """See `ImageTask`.

        Args:
            model: The network.
            split: The set.
            objective: The calibrated loss.
            device: Where to compute.
        """
        return self.predict(predict_logits(model, split.x, device=device), objective)

    @abstractmethod
    def watch(self, outputs: Tensor, y: Tensor, objective: TaskObjective | None, targets: Tensor) -> Watched:
        """Figure and mean loss of outputs.

        Args:
            outputs: Of the network, (n, k).
            y: Labels or scores, (n,).
            objective: The loss; None for cross-entropy of classes.
            targets: What the loss takes for `y`, see `targets`.
        """

    @abstractmethod
    def predict(self, outputs: Tensor, objective: TaskObjective | None) -> NDArray[Any]:
        """What outputs (n, k) predict, (n,)."""


def raters_in(metadata: Metadata, names: Sequence[str]) -> NDArray[np.float64] | None:
    """The ratings (n, raters) in metadata columns of these names; None if there are fewer than two."""
    columns = [np.asarray(metadata[name], dtype=np.float64) for name in names if name in metadata]
    return np.stack(columns, 1) if len(columns) > 1 else None
