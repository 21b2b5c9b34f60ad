"""The attacked images as a file: what `--save` writes, and adversarial.npz in the output folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.engines._attack_craft import Made
from dlcli.support.atomic import atomic_path


@dataclass(frozen=True)
class Images:
    """The attacked images (n, c, h, w) float32, and what the baseline says of them: class numbers (n,), by eps."""

    clean: np.ndarray
    labels: np.ndarray
    predicted_clean: np.ndarray
    adversarial: Mapping[float, np.ndarray]
    predicted: Mapping[float, np.ndarray]
    classes: tuple[str, ...]


def chosen(sets: Sequence[Made], y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the images that several methods made on the baseline, one each: the first that is not taken for its label.

    `sets` are those of one eps, `y` (n,) the labels. Returns images (n, c, h, w) and the baseline's predictions (n,).
    """
    own = [(one.images.numpy(), one.predicted) for one in sets if one.images is not None]
    images, predicted = (found.copy() for found in own[0])
    for others, answers in own[1:]:
        better = (predicted == y) & (answers != y)
        images[better], predicted[better] = others[better], answers[better]
    return images, predicted


def save(path: Path, images: Images) -> None:
    """Write x_clean, y, predicted_clean, and for each eps x_EPS and predicted_EPS; the file is whole or not there."""
    arrays: dict[str, Any] = {"x_clean": images.clean, "y": images.labels, "predicted_clean": images.predicted_clean}
    arrays |= {f"x_{eps:g}": found for eps, found in images.adversarial.items()}
    arrays |= {f"predicted_{eps:g}": found for eps, found in images.predicted.items()}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
