"""`sequence` with `next`: a network learns to predict the next step of a sequence."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.data.base import CLASS, ImageData, Split
from dlcli.core.data.groups import groups_of
from dlcli.core.jackknife import PLAIN, interval, kept, too_few
from dlcli.core.model_io.sequence_metadata import SavedSequences
from dlcli.core.objectives.base import TaskObjective
from dlcli.core.tasks.base import ImageTask, TrainedFacts, VersusMetric, Watched
from dlcli.core.tasks.sequence import standardised
from dlcli.core.training.next_step import Coded, NextStepLoss, baselines, coded
from dlcli.specs.estimates import Difference, Estimate, PointEstimate
from dlcli.specs.next_step import NextBaselines, NextRow, NextTrainResult
from dlcli.specs.normalise import AUTO
from dlcli.specs.train import TrainConfig

_SEED = 0
"""Of the intervals, which depend on the bits of the sequences only."""


class SequenceNext(ImageTask):
    """See the module."""

    name: ClassVar[str] = "sequence-next"
    target: ClassVar[str] = CLASS
    figure: ClassVar[str] = "log2_likelihood"
    figures: ClassVar[str] = "likelihoods"
    label: ClassVar[str] = "log2 likelihood per step"
    in_percent: ClassVar[bool] = False
    metrics: ClassVar[Mapping[str, VersusMetric]] = {
        "test bits": VersusMetric(lambda row: row.bits.value),
        "training bits": VersusMetric(lambda row: row.train_bits),
        "epochs to level": VersusMetric(lambda row: row.epochs_to_level, lambda row: 1.0, lambda row: row.epochs),
        "seconds": VersusMetric(lambda row: row.seconds),
    }
    primary: ClassVar[tuple[str, ...]] = ("test bits",)
    crossed: ClassVar[str] = "test bits"

    def objective(self, data: ImageData, config: TrainConfig) -> TaskObjective | None:
        """See `ImageTask`."""
        return NextStepLoss.of(data.x_train, data.steps.symbols)

    def normalise(self, data: ImageData, name: str) -> str:
        """See `SequenceClasses`."""
        return standardised(data.x_train) if name == AUTO else name

    def check(self, data: ImageData, config: TrainConfig) -> None:
        """See `ImageTask`; what there is to check is checked where the data are opened."""

    def targets(self, split: Split, objective: TaskObjective | None, config: TrainConfig, source: str) -> Tensor:
        """What follows each step.

        Args:
            split: The set.
            objective: The loss.
            config: The options.
            source: What the set is of.
        """
        return _next(objective).targets(split.x)

    def facts(self, data: ImageData, objective: TaskObjective | None, config: TrainConfig) -> Mapping[str, Any]:
        """See `ImageTask`."""
        return {"task": self.name}

    def learned(
        self, data: ImageData, objective: TaskObjective | None, predicted: NDArray[Any], config: TrainConfig
    ) -> Mapping[str, Any]:
        """How sequences are read for the network, and what it predicts.

        Args:
            data: What was trained and tested on.
            objective: The loss.
            predicted: Bits and steps of the test set.
            config: The options.
        """
        saved = SavedSequences.of(data, config.label_column).to_json()
        more = {"next": _next(objective).to_json(), **({} if config.steps is None else {"cut": config.steps})}
        return {"task": "sequence", "sequences": {**saved, **more}}

    def watched(
        self, model: nn.Module, split: Split, objective: TaskObjective | None, targets: Tensor, device: torch.device
    ) -> Watched:
        """The mean log-likelihood of a step in bits, and the mean loss in nats.

        Args:
            model: The network.
            split: The set.
            objective: The loss.
            targets: What follows each step.
            device: Where to compute.
        """
        bits = coded(model, split.x, _next(objective), device).per_step
        return Watched(-bits, bits * float(np.log(2)))

    def predicted(self, model: nn.Module, split: Split, objective: TaskObjective | None, device: torch.device) -> NDArray[Any]:
        """Bits and predicted steps of each sequence, (n, 2).

        Args:
            model: The network.
            split: The set.
            objective: The loss.
            device: Where to compute.
        """
        return np.stack(coded(model, split.x, _next(objective), device), 1)

    def outcomes(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> NDArray[Any]:
        """Bits per step of each sequence that has a next step."""
        long = predicted[predicted[:, 1] > 0]
        found: NDArray[Any] = long[:, 0] / long[:, 1]
        return found

    def row(self, facts: TrainedFacts) -> NextRow:
        """See `ImageTask`."""
        return NextRow(
            variant=facts.variant,
            seed=facts.seed,
            bits=bits_per_step(Coded(*facts.predicted.T), facts.group),
            train_bits=-facts.best.train_figure,
            n_watched=facts.n_watched,
            train_loss=facts.best.train_loss,
            epochs=len(facts.history),
            best_epoch=facts.best_epoch,
            steps=len(facts.history) * facts.epoch_steps,
            epochs_to_level=None,
            seconds=facts.seconds,
            weights_sha256=facts.sha256,
        )

    def final_figures(self, predicted: NDArray[Any], y: NDArray[Any], group: NDArray[np.int64] | None) -> Mapping[str, float]:
        """See `ImageTask`."""
        return {"bits": Coded(*predicted.T).per_step, "n": len(predicted)}

    def final_names(self) -> tuple[str, ...]:
        """See `ImageTask`."""
        return ("bits", "n")

    def result(
        self,
        data: ImageData,
        rows: tuple[Any, ...],
        common: Mapping[str, Any],
        *,
        objective: TaskObjective | None,
        predicted: NDArray[Any] | None,
        group: str | None = None,
        **others: Any,
    ) -> NextTrainResult:
        """See `ImageTask`.

        Args:
            data: What was trained on.
            rows: Those of the networks.
            common: The fields that results of all tasks have.
            objective: The loss.
            predicted: Bits and steps of the only network for the test set; None for a comparison.
            group: The metadata column of groups.
            others: The other options.
        """
        chosen = _next(objective)
        network = None if predicted is None else Coded(*predicted.T)
        groups = groups_of(data.splits["test"].metadata, group, data.name)
        simple = baselines_of(data.x_train, data.x_test, chosen, network, groups)
        return NextTrainResult(rows=rows, kind=chosen.kind, baselines=simple, **common)


def _next(objective: TaskObjective | None) -> NextStepLoss:
    if not isinstance(objective, NextStepLoss):
        raise TypeError("the next step needs its loss")
    return objective


def bits_per_step(found: Coded, group: NDArray[np.int64] | None) -> Estimate | PointEstimate:
    """Bits per step over all sequences, with the interval that the spread over sequences, or groups of them, gives."""
    value, n = found.per_step, len(found.bits)
    if why := too_few(n, group):
        return PointEstimate(value=value, n=n, why=why)
    ends = interval(value, _left(found.bits, found.steps, group), PLAIN)
    return PointEstimate(value=value, n=n, why="all alike") if ends is None else Estimate(value, *ends, n)


def _left(bits: NDArray[Any], steps: NDArray[Any], group: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Bits per step without each sequence, or group, in turn."""
    return np.array([bits[keep].sum() / max(1.0, steps[keep].sum()) for keep in kept(len(bits), group, seed=_SEED)])


def baselines_of(
    train: Tensor, test: Tensor, objective: NextStepLoss, network: Coded | None, group: NDArray[np.int64] | None
) -> NextBaselines:
    """What simple predictions need, and what a network gains on them.

    Args:
        train: The sequences that they are fitted to, (n, channels, t).
        test: Those that they predict.
        objective: What a step is.
        network: The bits of a network for `test`; None without one.
        group: The group of each sequence of `test`, (n,); None without groups.
    """
    found = baselines(train, test, objective)
    gain: Difference | None = None
    if network is not None and not too_few(len(network.bits), group):
        saved = found.markov.bits - network.bits
        value = float(saved.sum() / max(1.0, network.steps.sum()))
        ends = interval(value, _left(saved, network.steps, group), PLAIN)
        gain = None if ends is None else Difference(value, *ends, len(saved))
    return NextBaselines(
        frequencies=bits_per_step(found.frequencies, group), markov=bits_per_step(found.markov, group), gain=gain
    )


NEXT = SequenceNext()
