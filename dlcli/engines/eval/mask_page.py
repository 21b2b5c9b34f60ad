"""Files of `dlcli eval -o DIR` for masks: the confusion of pixels, and a page with the worst pictures and all figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.core.evaluation.mask_pictures import legend_figure, overlay
from dlcli.core.evaluation.plots import confusion_plot
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.figures import png
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import CardImage, Chart, Gallery, Part, percent
from dlcli.core.html_report.vector import svg
from dlcli.engines.train.mask_page import classes_table, metrics_table
from dlcli.specs.masks import MaskEvalResult, WorstMask
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.plural import count

CONFUSION, PAGE = "confusion.png", "report.html"


class MaskCard(NamedTuple):
    """A picture (c, h, w) in [0, 1] with a low mIoU, its true mask (h, w) and the predicted one."""

    worst: WorstMask
    image: NDArray[np.floating]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]


def write_masks(
    folder: Path, result: MaskEvalResult, confusion: NDArray[np.int64], classes: Sequence[str], cards: Sequence[MaskCard]
) -> None:
    """Write the plot and report.html, each file atomically.

    Args:
        folder: Where to write.
        result: The result.
        confusion: Pixels by true and predicted class, (k, k).
        classes: The names of the classes.
        cards: The worst pictures.
    """
    plot = confusion_plot(confusion, classes, classes)
    with atomic_path(folder / CONFUSION) as temporary:
        temporary.write_bytes(png(plot))
    found = percent(result.metrics[0].estimate)
    legend = Chart(svg(legend_figure(classes), alt="The colours of the classes"), "Colours of the classes.")
    matrix = Chart(
        svg(plot, alt="Confusion matrix: one row per true class, one column per predicted class"),
        "Confusion of pixels: counts, the stronger the colour the larger their share of the true class.",
    )
    shown: list[Part] = [legend, *_gallery(cards), matrix]
    page = Page(
        title=f"{result.model} on {result.data}, {result.split} set",
        number=f"{found.value}%",
        interval=found.interval,
        lead=f"is the mIoU of {count(result.n_images, result.unit)} together, {result.n_pixels:,} labelled pixels.",
        parts=[*shown, classes_table(result.per_class), metrics_table(result.metrics, "Figures with 95% intervals")],
        notes=result.notes,
        facts=[
            (f"{result.unit}s".capitalize(), f"{result.n_images:,} of the {result.split} set of {result.data}"),
            ("Network", result.model),
            ("Seed and device", f"{result.seed}, {result.device}"),
            ("Weights SHA-256", result.model_sha256),
        ],
    )
    write_text(folder / PAGE, page.html())


def _gallery(cards: Sequence[MaskCard]) -> list[Part]:
    if not cards:
        return []
    each = [_card(one) for one in cards]
    return [
        Gallery("The lowest mIoU: the picture, its true mask and the predicted one. Look for wrong masks among them.", each)
    ]


def _card(one: MaskCard) -> tuple[CardImage, ...]:
    name = Path(one.worst.file).name or f"number {one.worst.index}"
    return (
        card_image(one.image, alt=f"The picture {name}", line=f"{name}, mIoU {100 * one.worst.miou:.1f}%"),
        card_image(overlay(one.image, one.truth), alt=f"The true mask of {name}", line="true"),
        card_image(overlay(one.image, one.predicted), alt=f"The predicted mask of {name}", line="predicted"),
    )
