"""What frozen features of a network tell of classes, and how they lie on the unit sphere."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import generator
from dlcli.core.data.base import CLASS, choose
from dlcli.core.evaluation.sphere import alignment, alignment_of_classes, uniformity
from dlcli.core.graph.last_hidden import NEIGHBOURS, hidden_features
from dlcli.core.training.augment import Augmentation
from dlcli.core.training.random_change import RandomChange
from dlcli.engines.train.job import Job
from dlcli.support.seeds import derive

_MOST = 5000
"""How many labelled examples are used at most."""
_MOST_PAIRED = 2000
"""How many test images are compared with each other at most."""
_AT_A_TIME = 256


@dataclass(frozen=True)
class Measured:
    """What features of a network tell.

    Attributes:
        linear: Which test images are right by logistic regression on those of the labelled training images, (n,).
        neighbours: Which are right by the 5 nearest neighbours, (n,).
        alignment: See `dlcli.core.evaluation.sphere`; None if no two belong together.
        uniformity: See there; None of a single image.
    """

    linear: NDArray[np.bool_]
    neighbours: NDArray[np.bool_]
    alignment: float | None
    uniformity: float | None


def measure(job: Job, net: nn.Module, views: RandomChange | None) -> Measured | None:
    """Measure the features of `net` in evaluation mode.

    Args:
        job: What is trained: its labelled training images and its test images are used.
        net: The network, on the device of `job`.
        views: Makes two views of images that belong together; None: images of a class belong together.

    Returns:
        The figures; None for scores, and for a network without a single last layer.
    """
    data = job.data
    if data.target != CLASS:
        return None
    picked = torch.from_numpy(choose(data.y_train.numpy(), _MOST))
    x, y = data.x_train[picked], data.y_train[picked].numpy()
    train, test = (hidden_features(net, images, device=job.device) for images in (x, data.x_test))
    if train is None or test is None:
        return None
    linear, nearest = _predicted(train, y, test)
    truth = data.y_test.numpy()
    return Measured(linear == truth, nearest == truth, _alignment(job, net, test, views), uniformity(test[:_MOST_PAIRED]))


def _predicted(train: NDArray[np.float32], y: NDArray[np.int64], test: NDArray[np.float32]) -> list[NDArray[np.int64]]:
    """The classes of test features by logistic regression and by nearest neighbours among the training features."""
    from sklearn.linear_model import LogisticRegression  # here, because these take a second to import
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(y)) < 2:  # which a regression refuses
        return 2 * [np.full(len(test), y[0])]
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    nearest = KNeighborsClassifier(min(NEIGHBOURS, len(y)))
    return [model.fit(train, y).predict(test) for model in (linear, nearest)]


def _alignment(job: Job, net: nn.Module, test: NDArray[np.float32], views: RandomChange | None) -> float | None:
    x = job.data.x_test[:_MOST_PAIRED]
    if views is None:
        return alignment_of_classes(test[: len(x)], job.data.y_test[: len(x)].numpy())
    sides: list[list[NDArray[np.float32]]] = [[], []]
    for number, part in enumerate(x.split(_AT_A_TIME)):
        # The same two views for each network of a seed.
        pairs = Augmentation((views,))(to_float(part), generator(derive(job.seed, "pretrain", "alignment", number)))
        for k, side in enumerate(sides):
            found = hidden_features(net, pairs[:, k].contiguous(), device=job.device)
            if found is None:
                return None
            side.append(found)
    return alignment(np.concatenate(sides[0]), np.concatenate(sides[1]))
