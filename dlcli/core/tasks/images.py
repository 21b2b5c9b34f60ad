"""`images`: a network learns which class an image or a video is of."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from dlcli.core.data.base import CLASS, ImageData
from dlcli.core.grouped import share_of
from dlcli.core.objectives.base import TaskObjective
from dlcli.core.tasks.base import TaskOfOutputs, TrainedFacts, VersusMetric, Watched
from dlcli.specs.estimates import Estimate, flat
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult, TrainRow

DESCRIPTION = "classify images or videos"

FINAL = ("accuracy", "accuracy_low", "accuracy_high", "n")
"""Figures of a finished network on the test set, for logs."""
FIT = 0.99
"""The training accuracy from which the training data count as fitted."""

_METRICS: Mapping[str, VersusMetric] = {
    "test accuracy": VersusMetric(lambda row: row.accuracy.value, lambda row: 1 / row.accuracy.n),
    "training accuracy": VersusMetric(lambda row: row.train_accuracy, lambda row: 1 / row.n_watched),
    "epochs to fit": VersusMetric(lambda row: row.epochs_to_fit, lambda row: 1.0, lambda row: row.epochs),
    "steps to fit": VersusMetric(
        lambda row: row.steps_to_fit, lambda row: (row.steps_to_fit or 0) / (row.epochs_to_fit or 1), lambda row: row.steps
    ),
    "epochs to level": VersusMetric(lambda row: row.epochs_to_level, lambda row: 1.0, lambda row: row.epochs),
    "seconds": VersusMetric(lambda row: row.seconds),
}


def accuracy_figures(accuracy: Estimate) -> Mapping[str, float]:
    """The figures `FINAL` of an accuracy."""
    found = {name: value for name, value in flat("accuracy", accuracy).items() if value is not None}
    return {**found, "n": accuracy.n}


class ImageClasses(TaskOfOutputs):
    """See the module."""

    name: ClassVar[str] = "images"
    target: ClassVar[str] = CLASS
    figure: ClassVar[str] = "accuracy"
    figures: ClassVar[str] = "accuracies"
    label: ClassVar[str] = "accuracy, %"
    in_percent: ClassVar[bool] = True
    metrics: ClassVar[Mapping[str, VersusMetric]] = _METRICS
    primary: ClassVar[tuple[str, ...]] = ("test accuracy",)
    crossed: ClassVar[str] = "test accuracy"

    def objective(self, data: ImageData, config: TrainConfig) -> TaskObjective | None:
        """See `ImageTask`."""
        return None

    def check(self, data: ImageData, config: TrainConfig) -> None:
        """See `ImageTask`; all data with classes will do."""

    def watch(self, outputs: Tensor, y: Tensor, objective: TaskObjective | None, targets: Tensor) -> Watched:
        """Accuracy and mean cross-entropy.

        Args:
            outputs: Of the network, (n, k).
            y: Labels or scores, (n,).
            objective: None.
            targets: What the loss takes for `y`.
        """
        return Watched(float((outputs.argmax(1) == y).float().mean()), float(cross_entropy(outputs, y)))

    def predict(self, outputs: Tensor, objective: TaskObjective | None) -> NDArray[Any]:
        """The index of the most probable class."""
        return outputs.argmax(1).numpy()

    def outcomes(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> NDArray[Any]:
        """Whether each is right, as 0 or 1."""
        found: NDArray[Any] = (predicted == y).astype(np.int8)
        return found

    def final_figures(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> Mapping[str, float]:
        """See `ImageTask`."""
        return accuracy_figures(share_of(predicted == y, group))

    def final_names(self) -> tuple[str, ...]:
        """See `ImageTask`."""
        return FINAL

    def row(self, facts: TrainedFacts) -> TrainRow:
        """See `ImageTask`."""
        fit_after = next((k for k, epoch in enumerate(facts.history, 1) if epoch.train_figure >= FIT), None)
        return TrainRow(
            variant=facts.variant,
            seed=facts.seed,
            accuracy=share_of(facts.predicted == facts.test.y.numpy(), facts.group),
            train_accuracy=facts.best.train_figure,
            n_watched=facts.n_watched,
            train_loss=facts.best.train_loss,
            epochs=len(facts.history),
            best_epoch=facts.best_epoch,
            epochs_to_fit=fit_after,
            steps_to_fit=fit_after and fit_after * facts.epoch_steps,
            steps=len(facts.history) * facts.epoch_steps,
            epochs_to_level=None,
            seconds=facts.seconds,
            weights_sha256=facts.sha256,
            cpu_seconds=facts.cpu_seconds,
            labels_seed=facts.labels_seed,
        )

    def result(self, data: ImageData, rows: tuple[Any, ...], common: Mapping[str, Any], **others: Any) -> TrainResult:
        """See `ImageTask`."""
        return TrainResult(rows=rows, **common)


TASK = ImageClasses()
