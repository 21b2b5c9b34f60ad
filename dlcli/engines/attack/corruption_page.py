"""The files of `dlcli attack --method corruptions -o DIR`: predictions, examples, and a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from dlcli.core.grouped import mean_share
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.figures import PlotSeries, accuracy_plot, draw_image, png
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import (
    Bar,
    Bars,
    Cell,
    Chart,
    Fold,
    Gallery,
    PageTable,
    Part,
    figure_cell,
    percent,
    percent_cell,
)
from dlcli.core.html_report.vector import svg
from dlcli.engines.attack.corruption_figures import Answers
from dlcli.engines.attack.setup import AttackSetup
from dlcli.specs.corruption_attack import CorruptionResult
from dlcli.specs.corruptions import FAMILIES, SEVERITIES
from dlcli.specs.estimates import Estimate
from dlcli.specs.figures import in_units, points
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.plural import count

if TYPE_CHECKING:
    from dlcli.engines.attack.corruptions import Predicted

SHOWN_SEVERITY = 3


def write_corruption_report(
    folder: Path, result: CorruptionResult, setup: AttackSetup, predicted: "Predicted", answers: Answers
) -> None:
    """Write corruptions.npz, examples.png and report.html, each atomically.

    Args:
        folder: The output directory.
        result: The figures.
        setup: The images.
        predicted: What the network predicts.
        answers: Which images it is right on.
    """
    with atomic_path(folder / "corruptions.npz") as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            y=setup.y.numpy(),
            places=setup.places.numpy(),
            corruptions=np.array([one.corruption for one in result.by_corruption]),
            predicted_clean=predicted.clean,
            predicted=predicted.corrupted,
        )
    shown = _examples(setup, predicted, result)
    with atomic_path(folder / "examples.png") as temporary:
        temporary.write_bytes(png(_grid(shown)))
    write_text(folder / "report.html", _page(result, setup, answers, shown).html())


def _page(result: CorruptionResult, setup: AttackSetup, answers: Answers, shown: Sequence[tuple[str, str, np.ndarray]]) -> Page:
    robust, clean = percent(result.robust), percent(result.clean)
    cards = [[card_image(image, alt=f"An image, {name}", line=f"{name}: {line}")] for name, line, image in shown]
    severity = f"One image clean and at severity {SHOWN_SEVERITY} of each corruption, true → predicted"
    parts: list[Part] = [
        _over_severity(result, answers),
        _by_corruption(result),
        Gallery(f"{severity}.", cards),
        _summary(result),
        Fold("Accuracy at every severity", [_every(result)]),
    ]
    return Page(
        title=f"{result.model} on {result.data} under common corruptions",
        number=f"{robust.value}%",
        interval=robust.interval,
        lead=f"of {count(result.n_images, 'image')} are right on average over "
        f"{count(len(result.by_corruption), 'corruption')} and their "
        f"{count(len(SEVERITIES), 'severity', 'severities')}; clean {clean.value}% {clean.interval}.{_relative(result)}",
        parts=parts,
        notes=result.notes,
        facts=[
            ("Images", f"{count(result.n_images, 'test image')} of {result.data}"),
            ("Severities", f"the settings of {result.settings}"),
            *([("Baseline", f"{result.against}, {result.against_sha256}")] if result.against else []),
            ("Networks", f"seed {result.seed}, {result.device}"),
            ("Model SHA-256", result.model_sha256),
        ],
    )


def _relative(result: CorruptionResult) -> str:
    if result.relative_error is None or result.minus_baseline is None:
        return ""
    verdict = "established" if result.minus_baseline.established else "not established"
    gap = f"{points(result.minus_baseline)}, {verdict}"
    return f" Relative to {result.against}: mCE {in_units(result.relative_error)}, accuracy {gap}."


def _over_severity(result: CorruptionResult, answers: Answers) -> Chart:
    """A line for all corruptions and one for each family, from the clean images to severity 5."""
    names = [one.corruption for one in result.by_corruption]
    families = {"all": names} | {family: [one for one in names if one in of] for family, of in FAMILIES.items()}
    lines = [
        _line(family, result.clean, answers.corrupted[[names.index(one) for one in of]].mean(0), answers.group)
        for family, of in families.items()
        if of
    ]
    plot = accuracy_plot(lines, x_label="severity (0: clean)", y_label="accuracy, %")
    caption = "Accuracy over severity, the mean over all corruptions and over those of each family; bands are 95% intervals."
    return Chart(svg(plot, alt="Accuracy over severity, a line for each family of corruptions"), caption)


def _line(name: str, clean: Estimate, right: np.ndarray, group: np.ndarray | None) -> PlotSeries:
    found = [clean, *(mean_share(one, group) for one in right)]
    x = (0.0, *map(float, SEVERITIES))
    return PlotSeries(name, x, [one.value for one in found], [one.low for one in found], [one.high for one in found])


def _by_corruption(result: CorruptionResult) -> Bars:
    """The mean accuracy under each corruption, the lowest first."""
    both = result.minus_baseline is not None
    ordered = sorted(result.by_corruption, key=lambda one: -one.error.value)
    bars = [Bar(one.corruption, (_right(one.error), *([_right(one.baseline)] if both else []))) for one in ordered]
    return Bars("Accuracy by corruption, the mean over severities, the lowest first", ("network", "baseline")[: 1 + both], bars)


def _right(error: Estimate | None) -> Estimate | None:
    return None if error is None else Estimate(1 - error.value, 1 - error.high, 1 - error.low, error.n)


def _summary(result: CorruptionResult) -> PageTable:
    relative = result.relative_error is not None
    head = ["corruption", "error, %", *(["baseline, %", "relative to it"] if relative else [])]
    rows: list[list[Cell]] = [
        [
            one.corruption,
            percent_cell(one.error),
            *([percent_cell(one.baseline), "none" if one.relative is None else figure_cell(one.relative)] if relative else []),
        ]
        for one in result.by_corruption
    ]
    of_all: list[Cell] = ["mean", percent_cell(result.mean_error)]
    if relative:
        of_all += ["", figure_cell(result.relative_error)]
    return PageTable("Error under each corruption, the mean over severities", head, [*rows, of_all], len(rows))


def _every(result: CorruptionResult) -> PageTable:
    head = ["corruption", *(f"severity {one}" for one in SEVERITIES)]
    rows: list[list[Cell]] = [
        [one.corruption, *(percent_cell(row.accuracy) for row in result.rows if row.corruption == one.corruption)]
        for one in result.by_corruption
    ]
    return PageTable("Accuracy in %, with 95% intervals", head, rows)


def _examples(setup: AttackSetup, predicted: "Predicted", result: CorruptionResult) -> list[tuple[str, str, np.ndarray]]:
    """Name, classes and pixels of the first image that is right when clean: itself, and under each corruption."""
    from dlcli.engines.attack.corruptions import corrupted  # which imports this module

    labels = setup.y.numpy()
    k = int(np.argmax(predicted.clean == labels))
    place = SEVERITIES.index(SHOWN_SEVERITY)

    def line(found: int) -> str:
        return f"{setup.outputs[labels[k]]} → {setup.outputs[found]}"

    shown = [("clean", line(int(predicted.clean[k])), setup.x[k].numpy())]
    for number, one in enumerate(result.by_corruption):
        image = corrupted(setup, one.corruption, SHOWN_SEVERITY, k, k + 1)[0].numpy()
        shown.append((one.corruption, line(int(predicted.corrupted[number, place, k])), image))
    return shown


def _grid(shown: Sequence[tuple[str, str, np.ndarray]]) -> Figure:
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.9 * columns, 2.25 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in axes[len(shown) :]:
        panel.axis("off")
    for panel, (name, line, image) in zip(axes, shown, strict=False):
        draw_image(panel, image, f"{name}\n{line}")
    return figure
