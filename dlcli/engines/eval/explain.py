"""Maps of what predictions depend on, in `dlcli eval`: of which images they are, their files, and their part of the page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlcli.core.evaluation.metrics import Labels
from dlcli.core.html_report.parts import Gallery, Part
from dlcli.engines.explanations import Explained, explain, write_maps
from dlcli.engines.model_and_data import LoadedModel
from dlcli.specs.eval import EvalConfig
from dlcli.support.reporter import Reporter

FOLDER = "explain"
"""Name of the folder of maps in the output folder."""
_IMAGES = 16


def explained_images(config: EvalConfig, loaded: LoadedModel, groups: Labels | None, report: Reporter) -> Explained | None:
    """Maps of images spread evenly over those that are evaluated, which may be sorted by class.

    Args:
        config: The method and its settings.
        loaded: The network and the data.
        groups: The group of each example of the split; None if they are independent.
        report: Receives progress.

    Returns:
        The maps and what is reported; None without `explain`.

    Raises:
        InputError: For videos, and for a network that the method cannot explain.
    """
    if config.explain is None:
        return None
    examples = loaded.split(config.split)
    n = len(examples.y)
    indices = range(n) if n <= _IMAGES else [k * n // _IMAGES for k in range(_IMAGES)]
    chosen = None if groups is None else np.unique(groups[list(indices)], return_inverse=True)[1]
    return explain(config, loaded, examples, indices, report, labelled=True, groups=chosen)


def write_explained(output: Path, explained: Explained) -> None:
    """Write the maps to the output folder, in place of those of an earlier run."""
    folder = output / FOLDER
    for ending in (".png", ".npy"):
        for path in folder.glob(f"*{ending}"):
            path.unlink()
    write_maps(folder, explained)


def explanation_parts(explained: Explained | None) -> Sequence[Part]:
    """The maps as a gallery for the page."""
    if explained is None:
        return []
    from dlcli.core.explain.plots import signed_overlay, strength_overlay  # here, since it imports matplotlib
    from dlcli.core.html_report.card_images import card_image

    target = explained.explanation.target
    cards = []
    for one in explained.images():
        alt = f"An image predicted as {one.predicted}"
        pictures = (one.image, strength_overlay(one), signed_overlay(one))
        texts = (alt, f"{alt}: where it matters", f"{alt}: what raises and lowers the {target}")
        lines = (one.title, "", "")
        cards.append([card_image(found, alt=text, line=line) for found, text, line in zip(pictures, texts, lines, strict=True)])
    caption = (
        f"What predictions depend on, by {explained.explanation.method}. From top to bottom: the image, true → predicted; the "
        f"brighter, the more a pixel matters; orange raises the {target}, blue lowers it. Each image has its own scale. "
        f"{explained.notes[0]}"
    )
    return [Gallery(caption, cards)]
