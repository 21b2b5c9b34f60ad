"""The files that `dlcli attack -o DIR` leaves: the images, a picture of some, and a page with all figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.core.plots import Example, Series, accuracy_plot, example_grid, png
from dlcli.core.report_page import Cell, Page, PageTable, Picture
from dlcli.specs.attack import AttackResult, AttackRow
from dlcli.specs.estimates import Difference, Estimate
from dlcli.support.atomic import atomic_path, write_text

_MOST_EXAMPLES = 8
_NORMS = {"linf": "L∞ (each input value)"}


@dataclass(frozen=True)
class Images:
    """The attacked images (n, c, h, w) float32, and what the baseline says of them: class numbers (n,), by eps."""

    clean: np.ndarray
    labels: np.ndarray
    predicted_clean: np.ndarray
    adversarial: Mapping[float, np.ndarray]
    predicted: Mapping[float, np.ndarray]
    classes: tuple[str, ...]


def write(folder: Path, result: AttackResult, images: Images) -> None:
    """Leave adversarial.npz, examples.png and report.html in `folder`, each whole or not at all."""
    _write_arrays(folder / "adversarial.npz", images)
    eps = result.headline.eps
    title = f"{result.method}, eps {eps:g}: true → predicted by the baseline"
    grid = png(example_grid(examples(images, eps), eps=eps, title=title))
    with atomic_path(folder / "examples.png") as temporary:
        temporary.write_bytes(grid)
    write_text(folder / "report.html", _page(result, grid).html())


def _write_arrays(path: Path, images: Images) -> None:
    arrays: dict[str, Any] = {"x_clean": images.clean, "y": images.labels, "predicted_clean": images.predicted_clean}
    arrays |= {f"x_{eps:g}": found for eps, found in images.adversarial.items()}
    arrays |= {f"predicted_{eps:g}": found for eps, found in images.predicted.items()}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def examples(images: Images, eps: float) -> list[Example]:
    """Up to eight images: first those that were right and turned wrong, then the others, in the order of the data."""
    was_right = images.predicted_clean == images.labels
    is_right = images.predicted[eps] == images.labels
    order = np.argsort(~(was_right & ~is_right), kind="stable")[:_MOST_EXAMPLES]
    return [
        Example(
            clean=images.clean[k],
            adversarial=images.adversarial[eps][k],
            true=_name(images, images.labels[k]),
            predicted_clean=_name(images, images.predicted_clean[k]),
            predicted_adversarial=_name(images, images.predicted[eps][k]),
        )
        for k in order
    ]


def _name(images: Images, label: int) -> str:
    """The name of a class; a network may have more outputs than the data has classes."""
    return images.classes[label] if label < len(images.classes) else str(label)


def _page(result: AttackResult, grid: bytes) -> Page:
    top = result.headline
    shown = Picture(
        grid,
        alt="A grid of images: clean, adversarial and their difference, a column each",
        caption=f"Images at eps {top.eps:g}, true → predicted by the baseline; first those that turned from right to wrong. "
        "The difference is in input units (a mean over channels if there are several).",
    )
    return Page(
        title=f"{result.model} on {result.data} under {result.method}",
        lead=f"{_capital(top.classifier)}: {top.clean.value:.3f} of {top.clean.n} images right when clean, "
        f"{top.adversarial.value:.3f} under {result.method} at eps {top.eps:g} ({top.threat}).",
        facts=_facts(result),
        tables=[_table(result, eps) for eps in result.eps],
        pictures=[*_over_eps(result), shown],
        notes=result.notes,
    )


def _facts(result: AttackResult) -> list[tuple[str, str]]:
    values = ", ".join(f"{eps:g}" for eps in result.eps)
    ensemble = f"{result.members} bootstrapped members, headline by the {result.rule} rule" if result.members else "none"
    return [
        ("Threat model", f"{result.method}, norm {_NORMS.get(result.norm, result.norm)}, eps {values}, bounds 0 to 1"),
        ("Attacker knows", _knowledge(result)),
        ("Images", f"{result.n_images} test images of {result.data}"),
        ("Ensemble", ensemble),
        ("Networks", f"{result.trained} trained, {result.reused} from the cache; seed {result.seed}, {result.device}"),
        ("Baseline SHA-256", result.model_sha256),
    ]


def _knowledge(result: AttackResult) -> str:
    if result.rows[0].threat == "control":
        return "nothing: this is a control"
    rest = "; nothing of the ensemble (transfer)" if result.members else ""
    return f"the baseline's weights (white-box){rest}"


def _table(result: AttackResult, eps: float) -> PageTable:
    rows = [row for row in result.rows if row.eps == eps]
    headers = ["classifier", "clean", "adversarial"] + ["minus mean rule"] * bool(result.members)
    strong = next((k for k, row in enumerate(rows) if row == result.headline), None)
    cells = [_cells(row)[: len(headers)] for row in rows]
    return PageTable(f"Accuracy at eps {eps:g}, with 95% intervals", headers, cells, strong)


def _cells(row: AttackRow) -> list[Cell]:
    return [(row.classifier, row.threat), _figure(row.clean), _figure(row.adversarial), _difference(row.minus_mean)]


def _figure(found: Estimate) -> Cell:
    return f"{found.value:.3f}", f"[{found.low:.3f}, {found.high:.3f}]"


def _difference(found: Difference | None) -> Cell:
    return "–" if found is None else (f"{found.value:+.3f}", f"[{found.low:+.3f}, {found.high:+.3f}]")


def _over_eps(result: AttackResult) -> list[Picture]:
    if len(result.eps) < 2:
        return []
    names = dict.fromkeys(row.classifier for row in result.rows)
    plot = accuracy_plot([_series(result, name) for name in names], x_label="eps (input units)")
    caption = "Adversarial accuracy over eps; bands are 95% intervals."
    return [Picture(png(plot), alt="Adversarial accuracy of each classifier over eps", caption=caption)]


def _series(result: AttackResult, name: str) -> Series:
    rows = sorted((row for row in result.rows if row.classifier == name), key=lambda row: row.eps)
    found = [row.adversarial for row in rows]
    return Series(
        name,
        x=[row.eps for row in rows],
        y=[one.value for one in found],
        low=[one.low for one in found],
        high=[one.high for one in found],
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
