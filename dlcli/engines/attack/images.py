"""The adversarial images as a file: what `--save` writes, and adversarial.npz in the output directory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlcli.engines.attack.crafting import AdversarialSet
from dlcli.specs.attack import AttackResult
from dlcli.support.atomic import atomic_path


@dataclass(frozen=True)
class AttackedImages:
    """Clean and adversarial images with the predictions of the reference network.

    Attributes:
        clean: The clean images, (n, c, h, w) float32.
        labels: Their labels as indices of outputs, (n,).
        predicted_clean: The predictions on the clean images, (n,).
        adversarial: The adversarial images by eps.
        predicted: The predictions on them by eps.
        classes: The names of the outputs.
        hidden_clean: Activations of the last hidden layer on the clean images, (n, d) float32; None without such a layer.
        hidden: The same on adversarial images, for some eps.
        group: The group of each image, (n,) from 0 on; None if images are independent.
    """

    clean: np.ndarray
    labels: np.ndarray
    predicted_clean: np.ndarray
    adversarial: Mapping[float, np.ndarray]
    predicted: Mapping[float, np.ndarray]
    classes: tuple[str, ...]
    hidden_clean: np.ndarray | None = None
    hidden: Mapping[float, np.ndarray] = field(default_factory=dict)
    group: np.ndarray | None = None


class PickedImages(NamedTuple):
    """One adversarial image per clean image, (n, c, h, w), and the predictions of the reference network, (n,)."""

    images: np.ndarray
    predicted: np.ndarray


def pick_adversarial(sets: Sequence[AdversarialSet]) -> PickedImages:
    """Of the images that several methods made on the reference network at one eps, the first that succeeds for each image."""
    (first, images), *others = ((one, one.images.numpy().copy()) for one in sets if one.images is not None)
    predicted, failed = first.predicted.copy(), first.attack_failed
    for one, found in others:
        better = failed & ~one.attack_failed
        images[better], predicted[better] = found[better], one.predicted[better]
        failed = failed & one.attack_failed
    return PickedImages(images, predicted)


def pictured_network(result: AttackResult) -> str:
    """Which network the pictures are of, in a phrase; a single one has no ensemble to be the baseline of."""
    return f"the {result.reference}" if result.members else "the network"


def save_images(path: Path, images: AttackedImages) -> None:
    """Write x_clean, y, predicted_clean, and for each eps x_EPS and predicted_EPS, atomically."""
    arrays: dict[str, Any] = {"x_clean": images.clean, "y": images.labels, "predicted_clean": images.predicted_clean}
    arrays |= {f"x_{eps:g}": found for eps, found in images.adversarial.items()}
    arrays |= {f"predicted_{eps:g}": found for eps, found in images.predicted.items()}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
