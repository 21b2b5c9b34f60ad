"""What a semi-supervised method is: the views of unlabelled images that it needs, and a loss of both kinds of images."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from dlcli.core.training.augment import Augmentation
from dlcli.core.training.random_change import RandomChange
from dlcli.core.training.views import views_of


@dataclass(frozen=True)
class SemiSettings:
    """Options of semi-supervised training.

    Attributes:
        weight: Of the loss of unlabelled images; None for the method's own.
        threshold: The least probability of a pseudo-label; None for the method's own.
        alpha: Weight of the classification loss in the M2 model; None for the default.
        temperature: Of the Gumbel-softmax distribution: its floor, its rate of decay, and every how many steps it falls.
    """

    weight: float | None = None
    threshold: float | None = None
    alpha: float | None = None
    temperature: tuple[float, float, int] = (0.5, 3e-5, 2000)


@dataclass(frozen=True)
class SemiBatch:
    """What the loss of a step takes.

    Attributes:
        supervised: The mean loss of the labelled images, as without unlabelled ones.
        x: Labelled images (n, c, h, w) in [0, 1].
        y: Their labels (n,), or shares of classes (n, classes).
        views: Views (m, v, c, h, w) of m unlabelled images.
        net: The logits (n, classes) of images by the network in training mode; running statistics stay as they are.
        average: The same by the moving average of the weights, without gradients.
        networks: Those that the method brings along; None if it has none.
        done: Steps that are done.
        total: Steps of the whole training.
    """

    supervised: Tensor
    x: Tensor
    y: Tensor
    views: Tensor
    net: Callable[[Tensor], Tensor]
    average: Callable[[Tensor], Tensor]
    networks: nn.Module | None
    done: int
    total: int


class SemiLosses(NamedTuple):
    """The mean loss of the labelled images, and that of the unlabelled ones; the loss of the step is their sum."""

    labelled: Tensor
    unlabelled: Tensor


class SemiSupervised(ABC):
    """How a network learns from labelled and unlabelled images.

    Attributes:
        ratio: Unlabelled images of a step for each labelled one.
        needs_average: Whether it uses a moving average of the weights.
        generates: Whether its networks generate images.
    """

    ratio: ClassVar[int] = 1
    needs_average: ClassVar[bool] = False
    generates: ClassVar[bool] = False

    @abstractmethod
    def losses(self, batch: SemiBatch) -> SemiLosses:
        """The losses of a step."""

    @property
    @abstractmethod
    def shown(self) -> str:
        """The settings in words."""

    @property
    def threshold(self) -> float:
        """The least probability of a class from which the method takes it for the label of an unlabelled image."""
        return 0.0

    def views(self, weak: Augmentation, size: tuple[int, int]) -> RandomChange:
        """The views of unlabelled images: by default one, changed as labelled images are.

        Args:
            weak: The changes of labelled images.
            size: Height and width of the images in pixels.
        """
        return views_of(weak)

    def networks(self, shape: torch.Size, classes: int) -> nn.Module | None:
        """Networks to train beside the classifier, for images of `shape` (c, h, w); None for none."""
        return None

    def notes(self, shape: torch.Size, steps: int) -> tuple[str, ...]:
        """What to tell about a training of `steps` steps on images of `shape` (c, h, w)."""
        return ()


def ramp(done: int, total: int, start: float, end: float) -> float:
    """A weight that rises linearly from 0 to 1 between two shares of the steps of a training.

    Args:
        done: Steps that are done.
        total: Steps of the training.
        start: Share of the steps before which the weight is 0.
        end: Share of the steps from which it is 1.
    """
    return min(1.0, max(0.0, (done / max(1, total) - start) / (end - start)))
