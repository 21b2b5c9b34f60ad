"""The files of `dlcli attack -o DIR` for scores: the images, a picture of how far scores were moved, and a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from dlcli.core.attacks.score_change import DOWN, UP
from dlcli.core.evaluation.score_plots import change_plot
from dlcli.core.html_report.card_images import card_image
from dlcli.core.html_report.figures import png
from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import CardImage, Cell, Chart, Gallery, PageTable, Part, percent_cell, text_cell, units_cell
from dlcli.core.html_report.vector import svg
from dlcli.specs.figures import in_units, number_in_units, percent
from dlcli.specs.score_attack import ScoreAttackResult, ScoreAttackRow
from dlcli.support.atomic import atomic_path, write_text
from dlcli.support.plural import count

if TYPE_CHECKING:
    from dlcli.engines.attack.scores import AttackedScores, MovedScores

_MOST_CARDS = 8


def save_moved(path: Path, attacked: "AttackedScores", sets: Sequence["MovedScores"]) -> None:
    """Write x_clean, y and predicted_clean, and for each eps and direction x_EPS_up and predicted_EPS_up, atomically."""
    arrays: dict[str, Any] = {"x_clean": attacked.x.numpy(), "y": attacked.truth, "predicted_clean": attacked.clean}
    for one in sets:
        for direction, (images, scores) in one.by.items():
            arrays |= {f"x_{one.eps:g}_{direction}": images.numpy(), f"predicted_{one.eps:g}_{direction}": scores}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def write_score_report(
    folder: Path, result: ScoreAttackResult, attacked: "AttackedScores", sets: Sequence["MovedScores"]
) -> None:
    """Write adversarial.npz, changes.png and report.html, each atomically.

    Args:
        folder: The output directory.
        result: The figures.
        attacked: What was attacked.
        sets: The images by eps.
    """
    save_moved(folder / "adversarial.npz", attacked, sets)
    top = next(one for one in sets if one.eps == result.headline.eps)
    figure = change_plot(attacked.clean, top.by[UP][1], top.by[DOWN][1], threshold=attacked.threshold)
    with atomic_path(folder / "changes.png") as temporary:
        temporary.write_bytes(png(figure))
    shown = Chart(
        svg(figure, alt="Scores of attacked images over those of the clean ones"),
        f"Scores at eps {top.eps:g} over those of the clean {result.unit}s; changes within the grey band are smaller than the "
        "mean absolute error.",
    )
    write_text(folder / "report.html", _page(result, [shown, _examples(attacked, top)]).html())


def _page(result: ScoreAttackResult, parts: Sequence[Part]) -> Page:
    top = result.headline
    value, _, interval = in_units(top.change).partition(" ")
    return Page(
        title=f"{result.model} on {result.data} under {result.method}",
        number=value,
        interval=interval,
        lead=f"is how far scores are moved at eps {top.eps:g}, the mean over {count(result.n_images, f'test {result.unit}')}; "
        f"{percent(top.moved, '%')} move by more than {number_in_units(result.threshold, 3)}.",
        parts=[*parts, _table(result)],
        notes=(*result.notes, *(f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings)),
        facts=[
            ("Threat model", result.threat_model),
            ("Data", f"{result.data}: {count(result.n_images, f'test {result.unit}')}"),
            ("Seed and device", f"{result.seed}, {result.device}"),
            ("Weights SHA-256", result.model_sha256),
        ],
    )


def _table(result: ScoreAttackResult) -> PageTable:
    rows = [_cells(row) for row in result.rows]
    head = ["eps and direction", "mean change", "random", "moved, %", "random, %", "MAE"]
    strong = next(k for k, row in enumerate(result.rows) if row is result.headline)
    return PageTable(f"Changes of the score; MAE of the clean images {in_units(result.clean_mae)}", head, rows, strong)


def _cells(row: ScoreAttackRow) -> list[Cell]:
    return [
        f"{row.eps:g}, {row.direction}",
        units_cell(row.change),
        units_cell(row.random),
        percent_cell(row.moved),
        percent_cell(row.random_moved),
        text_cell(in_units(row.mae)),
    ]


def _examples(attacked: "AttackedScores", top: "MovedScores") -> Gallery:
    """The images that were moved furthest, with both scores."""
    furthest = np.max([np.abs(scores - attacked.clean) for _, scores in top.by.values()], axis=0)
    order = np.argsort(-furthest, kind="stable")[:_MOST_CARDS]
    cards = [(_card(attacked.x[k], f"clean: {number_in_units(attacked.clean[k])}"), *_moved(top, k)) for k in order]
    return Gallery("The scores that were moved furthest: clean, up and down", cards)


def _moved(top: "MovedScores", k: int) -> list[CardImage]:
    return [_card(images[k], f"{direction}: {number_in_units(scores[k])}") for direction, (images, scores) in top.by.items()]


def _card(image: Tensor, line: str) -> CardImage:
    pixels = image.numpy()
    still = pixels if pixels.ndim == 3 else pixels[:, pixels.shape[1] // 2]  # a picture has room for one frame
    return card_image(still, alt=f"An image, {line}", line=line)
