"""What `dlcli attack` needs to know of a task whose examples are masks or sequences: how they are changed, and the figures."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.places import attacked_pictures, attacked_sequences
from dlcli.core.compute.forward import predict_logits
from dlcli.core.evaluation.mask_counts import MaskCounts
from dlcli.core.evaluation.mask_figures import mask_differences, mask_metrics
from dlcli.core.evaluation.mask_prediction import counted_masks, predicted_labels
from dlcli.core.grouped import difference_of, share_of
from dlcli.core.layers.normalise import Normalised
from dlcli.specs.masks import OUTSIDE
from dlcli.specs.task_attack import AttackedMetric
from dlcli.support.reporter import Task

Labels = NDArray[Any]
_SEED = 0
"""Of the intervals of masks, as `dlcli eval` has it."""


@dataclass(frozen=True)
class AttackedTask(ABC):
    """A network and the examples that are attacked.

    Attributes:
        model: The network, on `device`.
        x: The examples (n, ...).
        y: Their labels (n,), or masks (n, h, w).
        places: Where they stand in the whole set, (n,).
        group: The group of each, (n,) from 0 on; None without groups.
        classes: The names of the classes.
        device: Where to compute.
    """

    model: nn.Module
    x: Tensor
    y: Tensor
    places: Tensor
    group: NDArray[np.int64] | None
    classes: tuple[str, ...]
    device: torch.device

    what: ClassVar[str]
    """What the network does, to complete a sentence."""
    metric: ClassVar[str]
    """The name of the first figure."""

    @property
    @abstractmethod
    def eps_unit(self) -> str:
        """What eps counts."""

    @abstractmethod
    def changed(self, attack: Attack, *, eps: float, norm: str, seed: int, task: Task) -> Tensor:
        """The examples (n, ...) as `attack` changes them.

        Args:
            attack: One that raises the cross-entropy, or noise.
            eps: The largest change.
            norm: Its norm.
            seed: Of all random numbers.
            task: Is advanced by one per example.
        """

    @abstractmethod
    def predicted(self, x: Tensor) -> Labels:
        """What the network predicts for examples, as labels in the shape of `y`."""

    @abstractmethod
    def right(self, predicted: Labels) -> NDArray[np.int64]:
        """How many places of each example are right, (n,)."""

    @abstractmethod
    def metrics(self, predicted: Labels, clean: Labels | None) -> tuple[AttackedMetric, ...]:
        """The figures of predictions, and their difference to those of the clean examples.

        Args:
            predicted: As `predicted` gives them.
            clean: Those for the clean examples; None where they are these.
        """

    def lost(self, predicted: Labels, clean: Labels) -> float:
        """The share of all labelled places that were right when clean and are wrong now."""
        truth = self.y.numpy()
        counted = truth < len(self.classes)
        return float(((clean == truth) & (predicted != truth) & counted).sum() / counted.sum())


@dataclass(frozen=True)
class AttackedMasks(AttackedTask):
    """Pictures whose masks a network predicts: every labelled pixel is to be wrong."""

    what: ClassVar[str] = "predicts masks"
    metric: ClassVar[str] = "pixel-accuracy"

    @property
    def eps_unit(self) -> str:
        """See `AttackedTask`."""
        return "of the range of a pixel"

    def changed(self, attack: Attack, *, eps: float, norm: str, seed: int, task: Task) -> Tensor:
        """See `AttackedTask`.

        Args:
            attack: One that raises the cross-entropy, or noise.
            eps: The largest change.
            norm: Its norm.
            seed: Of all random numbers.
            task: Is advanced by one per picture.
        """
        return attacked_pictures(
            attack, self.model, self.x, self.y, eps=eps, norm=norm, seed=seed, places=self.places, task=task
        )

    def predicted(self, x: Tensor) -> Labels:
        """The masks, see `AttackedTask`."""
        return predicted_labels(self.model, x, self.y, len(self.classes), self.device)

    def right(self, predicted: Labels) -> NDArray[np.int64]:
        """Pixels that are right, see `AttackedTask`."""
        truth = self.y.numpy()
        found: NDArray[np.int64] = ((predicted == truth) & (truth < OUTSIDE)).sum((1, 2))
        return found

    def metrics(self, predicted: Labels, clean: Labels | None) -> tuple[AttackedMetric, ...]:
        """Pixel accuracy and mIoU, see `AttackedTask`."""
        counts = self._counts(predicted)
        gaps = {} if clean is None else mask_differences(counts, self._counts(clean), self.group, seed=_SEED)
        named = {one.name: one.estimate for one in mask_metrics(counts, self.group, seed=_SEED)}
        names = [name for name in (self.metric, "miou") if name in named]
        return tuple(AttackedMetric(name=name, estimate=named[name], minus_clean=gaps.get(name)) for name in names)

    def _counts(self, predicted: Labels) -> MaskCounts:
        return counted_masks(predicted, self.y.numpy(), len(self.classes))


@dataclass(frozen=True)
class AttackedSequences(AttackedTask):
    """Sequences that a network classifies."""

    what: ClassVar[str] = "classifies sequences"
    metric: ClassVar[str] = "accuracy"

    @property
    def eps_unit(self) -> str:
        """See `AttackedTask`."""
        of = "the standard deviation of its channel in training" if isinstance(self.model, Normalised) else "the values"
        return f"of {of}"

    def changed(self, attack: Attack, *, eps: float, norm: str, seed: int, task: Task) -> Tensor:
        """See `AttackedTask`.

        Args:
            attack: One that raises the cross-entropy, or noise.
            eps: The largest change.
            norm: Its norm.
            seed: Of all random numbers.
            task: Is advanced by one per sequence.
        """
        return attacked_sequences(
            attack, self.model, self.x, self.y, eps=eps, norm=norm, seed=seed, places=self.places, task=task
        )

    def predicted(self, x: Tensor) -> Labels:
        """The labels, see `AttackedTask`."""
        found: Labels = predict_logits(self.model, x, device=self.device).argmax(1).numpy()
        return found

    def right(self, predicted: Labels) -> NDArray[np.int64]:
        """1 where the label is right, see `AttackedTask`."""
        found: NDArray[np.int64] = (predicted == self.y.numpy()).astype(np.int64)
        return found

    def metrics(self, predicted: Labels, clean: Labels | None) -> tuple[AttackedMetric, ...]:
        """The accuracy, see `AttackedTask`."""
        right = self.right(predicted).astype(bool)
        gap = None if clean is None else difference_of(right, self.right(clean).astype(bool), self.group)
        return (AttackedMetric(name=self.metric, estimate=share_of(right, self.group), minus_clean=gap),)


def worst_of(task: AttackedTask, each: Sequence[tuple[Tensor, Labels]]) -> tuple[Tensor, Labels]:
    """For each example the attack that left the fewest places right.

    Args:
        task: What is attacked.
        each: The examples of each attack, and what is predicted for them.

    Returns:
        The examples, and what is predicted for them.
    """
    best = np.stack([task.right(predicted) for _, predicted in each]).argmin(0)
    rows = np.arange(len(best))
    x = torch.stack([images for images, _ in each])[torch.from_numpy(best), torch.from_numpy(rows)]
    return x, np.stack([predicted for _, predicted in each])[best, rows]
