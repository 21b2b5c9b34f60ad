"""What the pages of `dlcli train` show of semi-supervised training: pseudo-labels by epoch, and generated images."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from statistics import fmean

from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.figures import PlotSeries, accuracy_plot
from dlcli.core.html_report.parts import Cell, Chart, Gallery, PageTable, Part, percent_cell
from dlcli.core.html_report.vector import svg
from dlcli.core.semi_supervised.generate import GeneratedImages
from dlcli.engines.train.pseudo_labels import PseudoLabels
from dlcli.engines.train.versus import TrainedVariant

_CAPTION = (
    "Pseudo-labels after each epoch, of unlabelled images whose labels are known but not trained on: the share that gets one, "
    "and the share of these that is right"
)
BySeed = Mapping[int, Sequence[PseudoLabels]]
"""The pseudo-labels after each epoch, by the seed of the training."""


def semi_parts(pseudo: Mapping[str, BySeed], generated: Mapping[str, GeneratedImages], classes: Sequence[str]) -> list[Part]:
    """The parts of a page.

    Args:
        pseudo: By the name of a variant, "" if there is only one.
        generated: By the name of a variant the images of its first seed.
        classes: Names of the classes.

    Returns:
        The parts; none without pseudo-labels and images.
    """
    found: list[Part] = []
    series = [line for name, each in pseudo.items() for line in _lines(name, list(each.values()))]
    if series:
        figure = accuracy_plot(series, x_label="epoch", y_label="pseudo-labels, %")
        end = ", mean and range over seeds." if any(len(each) > 1 for each in pseudo.values()) else "."
        found += [Chart(svg(figure, alt="Pseudo-labels by epoch"), _CAPTION + end), _table(pseudo)]
    for name, images in generated.items():
        found += _galleries(name, images, classes)
    return found


def semi_parts_of(found: Sequence[TrainedVariant], classes: Sequence[str]) -> list[Part]:
    """The parts of the page of a comparison, of the networks `found`."""
    pseudo: dict[str, dict[int, Sequence[PseudoLabels]]] = {}
    generated: dict[str, GeneratedImages] = {}
    for one in found:
        if one.pseudo:
            pseudo.setdefault(one.row.variant, {})[one.row.seed] = one.pseudo
        if one.generated is not None:
            generated.setdefault(one.row.variant, one.generated)
    return semi_parts(pseudo, generated, classes)


def _lines(name: str, each: Sequence[Sequence[PseudoLabels]]) -> list[PlotSeries]:
    """Coverage and accuracy over epochs; epochs without a pseudo-label have no accuracy and are not drawn."""
    epochs = [[one for one in of_epoch if one is not None] for of_epoch in zip_longest(*each)]
    of = f"{name}: " if name else ""
    coverage = [[one.coverage.value for one in seeds] for seeds in epochs]
    accuracy = [[one.accuracy.value for one in seeds if one.accuracy is not None] for seeds in epochs]
    return [_line(f"{of}share with one", coverage), _line(f"{of}right", accuracy)]


def _line(name: str, epochs: Sequence[Sequence[float]]) -> PlotSeries:
    there = [(k, values) for k, values in enumerate(epochs, 1) if values]
    ends = ([of(values) for _, values in there] for of in (fmean, min, max))
    return PlotSeries(name, [k for k, _ in there], *ends)


def _table(pseudo: Mapping[str, BySeed]) -> PageTable:
    rows: list[list[Cell]] = []
    for name, each in pseudo.items():
        for seed, epochs in each.items():
            last = epochs[-1]
            shares = percent_cell(last.coverage), percent_cell(last.accuracy)
            rows.append([name or "this network", *shares, str(seed), f"{last.n:,}"])
    head = ["", "with a pseudo-label, %", "of these right, %", "seed", "images"]
    return PageTable("Pseudo-labels after the last epoch", head, rows)


def _galleries(name: str, images: GeneratedImages, classes: Sequence[str]) -> list[Part]:
    of = f" by {name}" if name else ""
    kinds = (
        (images.draws, f"Images generated{of}: each square shows one class, at the same 16 draws of the latent vector."),
        (
            images.plane,
            f"The latent space{of}: in each square one class, with latent variables {images.variables[0] + 1} (down) and "
            f"{images.variables[1] + 1} (to the right) at quantiles of their prior, and the others 0.",
        ),
    )
    return [
        Gallery(
            caption,
            [
                [card_image(square, alt=f"Generated images of class {label}", line=label)]
                for square, label in zip(squares, classes, strict=False)
            ],
        )
        for squares, caption in kinds
    ]
