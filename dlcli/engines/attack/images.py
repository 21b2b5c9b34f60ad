"""The attacked images as a file: what `--save` writes, and adversarial.npz in the output folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.engines.attack.crafting import AdversarialSet
from dlcli.support.atomic import atomic_path


@dataclass(frozen=True)
class AttackedImages:
    """The attacked images (n, c, h, w) float32, and what the reference network says of them: class numbers (n,), by eps.

    That is the baseline, or the mean rule of an ensemble that has none. `hidden_clean` and `hidden` are what its last hidden
    layer makes of the clean images and, for some eps, of the others, (n, d) float32; None and nothing where it was not looked
    at or has none.
    """

    clean: np.ndarray
    labels: np.ndarray
    predicted_clean: np.ndarray
    adversarial: Mapping[float, np.ndarray]
    predicted: Mapping[float, np.ndarray]
    classes: tuple[str, ...]
    hidden_clean: np.ndarray | None = None
    hidden: Mapping[float, np.ndarray] = field(default_factory=dict)


def pick_adversarial(sets: Sequence[AdversarialSet]) -> tuple[np.ndarray, np.ndarray]:
    """Of the images that several methods made through the reference network, one each: the first by which the attack succeeds.

    `sets` are those of one eps. Returns images (n, c, h, w) and what the reference network says of them (n,).
    """
    (first, images), *others = ((one, one.images.numpy().copy()) for one in sets if one.images is not None)
    predicted, attack_failed = first.predicted.copy(), first.attack_failed
    for one, found in others:
        better = attack_failed & ~one.attack_failed
        images[better], predicted[better] = found[better], one.predicted[better]
        attack_failed = attack_failed & one.attack_failed
    return images, predicted


def save(path: Path, images: AttackedImages) -> None:
    """Write x_clean, y, predicted_clean, and for each eps x_EPS and predicted_EPS; the file is whole or not there."""
    arrays: dict[str, Any] = {"x_clean": images.clean, "y": images.labels, "predicted_clean": images.predicted_clean}
    arrays |= {f"x_{eps:g}": found for eps, found in images.adversarial.items()}
    arrays |= {f"predicted_{eps:g}": found for eps, found in images.predicted.items()}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
