"""The files of `dlcli attack -o DIR` for masks and sequences: the examples, and a page with the figures and some of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from dlcli.core.compute.loader import to_float
from dlcli.core.data.mask_labels import sizes_of
from dlcli.core.evaluation.mask_pictures import legend_figure, overlay
from dlcli.core.evaluation.sequence_pictures import drawn
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import CardImage, Cell, Chart, Gallery, PageTable, Part, percent, percent_cell
from dlcli.core.html_report.vector import svg
from dlcli.engines.attack.attacked_task import AttackedMasks, AttackedTask, Labels
from dlcli.specs.figures import percent as in_percent
from dlcli.specs.task_attack import TaskAttackResult, TaskAttackRow
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.plural import count

if TYPE_CHECKING:
    from dlcli.engines.attack.tasks import ChangedExamples

_MOST_CARDS = 6


def save_changed(path: Path, attacked: AttackedTask, clean: Labels, sets: Sequence["ChangedExamples"]) -> None:
    """Write x_clean, y and predicted_clean, and for each eps and method x_EPS_METHOD and predicted_EPS_METHOD, atomically.

    Args:
        path: The file, .npz.
        attacked: What was attacked.
        clean: What is predicted for the clean examples.
        sets: The examples by eps.
    """
    arrays: dict[str, Any] = {"x_clean": attacked.x.numpy(), "y": attacked.y.numpy(), "predicted_clean": clean}
    for one in sets:
        for name, (x, predicted) in one.by.items():
            key = f"{one.eps:g}_{name.replace(' ', '-')}"
            arrays |= {f"x_{key}": x.numpy(), f"predicted_{key}": predicted}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def write_task_report(
    folder: Path, result: TaskAttackResult, attacked: AttackedTask, clean: Labels, sets: Sequence["ChangedExamples"]
) -> None:
    """Write adversarial.npz and report.html, each atomically.

    Args:
        folder: The output directory.
        result: The figures.
        attacked: What was attacked.
        clean: What is predicted for the clean examples.
        sets: The examples by eps.
    """
    save_changed(folder / "adversarial.npz", attacked, clean, sets)
    top = next(one for one in sets if one.eps == result.headline.eps)
    x, predicted = top.by[top.strongest]
    write_text(folder / "report.html", _page(result, _shown(attacked, clean, x, predicted)).html())


def _page(result: TaskAttackResult, parts: Sequence[Part]) -> Page:
    found = percent(result.headline.metrics[0].estimate)
    clean = in_percent(result.clean.metrics[0].estimate, "%")
    return Page(
        title=f"{result.model} on {result.data} under {result.method}",
        number=f"{found.value}%",
        interval=found.interval,
        lead=f"is the {_name(result.metric)} of {count(result.n_images, f'test {result.unit}')} at eps {result.headline.eps:g} "
        f"{result.eps_unit}; {clean} when clean.",
        parts=[_table(result), *parts],
        notes=(*result.notes, *(f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings)),
        facts=[
            ("Threat model", result.threat_model),
            ("Data", f"{result.data}: {count(result.n_images, f'test {result.unit}')}"),
            ("Seed and device", f"{result.seed}, {result.device}"),
            ("Weights SHA-256", result.model_sha256),
        ],
    )


def _name(metric: str) -> str:
    return "mIoU" if metric == "miou" else metric.replace("-", " ")


def _table(result: TaskAttackResult) -> PageTable:
    names = [one.name for one in result.clean.metrics]
    head = ["eps and attack", *(cell for name in names for cell in (f"{_name(name)}, %", "minus clean"))]
    strong = next(k for k, row in enumerate(result.rows) if row is result.headline)
    return PageTable("Figures with 95% intervals", head, [_cells(row) for row in result.rows], strong)


def _cells(row: TaskAttackRow) -> list[Cell]:
    each = [cell for one in row.metrics for cell in (percent_cell(one.estimate), percent_cell(one.minus_clean))]
    return [row.method if row.eps == 0 else f"{row.eps:g}, {row.method}", *each]


def _shown(attacked: AttackedTask, clean: Labels, x: Tensor, predicted: Labels) -> list[Part]:
    """The examples that lost the most: as they were, and changed."""
    lost = attacked.right(clean) - attacked.right(predicted)
    order = [int(k) for k in np.argsort(-lost, kind="stable")[:_MOST_CARDS] if lost[k] > 0]
    if not order:
        return []
    if isinstance(attacked, AttackedMasks):
        legend = Chart(svg(legend_figure(attacked.classes), alt="The colours of the classes"), "Colours of the classes.")
        cards = [_masks(attacked, clean, x, predicted, k) for k in order]
        title = "The most pixels lost: the picture, its true mask, the predicted one, the changed picture and what it gives"
        return [legend, Gallery(title, cards)]
    title = "Sequences that the attack turned: as they were, and changed"
    return [Gallery(title, [_sequences(attacked, clean, x, predicted, k) for k in order])]


def _masks(attacked: AttackedTask, clean: Labels, x: Tensor, predicted: Labels, k: int) -> tuple[CardImage, ...]:
    ((height, width),) = sizes_of(attacked.y[k : k + 1].numpy())
    before, after = (to_float(one[k : k + 1])[0, :, :height, :width].numpy() for one in (attacked.x, x))
    truth, ours, theirs = (one[k, :height, :width] for one in (attacked.y.numpy(), clean, predicted))
    of = f"picture {int(attacked.places[k])}"
    counted = truth < len(attacked.classes)

    def right(labels: Labels) -> str:
        return f"{100 * float((labels == truth)[counted].mean()):.0f}% right"

    return (
        card_image(before, alt=f"The clean {of}", line=f"clean {of}"),
        card_image(overlay(before, truth), alt=f"The true mask of {of}", line="true"),
        card_image(overlay(before, ours), alt=f"The predicted mask of {of}", line=f"predicted: {right(ours)}"),
        card_image(after, alt=f"The attacked {of}", line="attacked"),
        card_image(overlay(after, theirs), alt=f"The predicted mask under attack, {of}", line=f"predicted: {right(theirs)}"),
    )


def _sequences(attacked: AttackedTask, clean: Labels, x: Tensor, predicted: Labels, k: int) -> tuple[CardImage, ...]:
    of = f"sequence {int(attacked.places[k])}"
    each = (("clean", attacked.x, clean), ("attacked", x, predicted))
    return tuple(
        card_image(drawn(values[k : k + 1])[0], alt=f"The {how} {of}", line=f"{how}: {attacked.classes[int(labels[k])]}")
        for how, values, labels in each
    )
