"""The files of `dlcli attack -o DIR`: the images, figures of some of them and of the hidden layer, and a report page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dlcli.core.html_report.figures import AdversarialExample, PlotSeries, accuracy_plot, example_grid, png
from dlcli.core.html_report.page import Cell, Page, PageTable, Picture, figure_cell
from dlcli.engines.attack.hidden_layer import HiddenLayerFigures, hidden_layer_figures
from dlcli.engines.attack.images import AttackedImages, save_images
from dlcli.specs.attack import AttackResult, MethodRow, ThreatKind
from dlcli.support.atomic import atomic_path, write_text

_MOST_EXAMPLES = 8


def write_report(folder: Path, result: AttackResult, images: AttackedImages) -> None:
    """Write adversarial.npz, examples.png, report.html and, with a hidden layer to draw, tsne.png to `folder`, atomically."""
    save_images(folder / "adversarial.npz", images)
    eps = result.headline.eps
    title = f"{result.method}, eps {eps:g}: true → predicted by the {result.reference}"
    grid = png(example_grid(examples(images, eps), eps=eps, title=title))
    with atomic_path(folder / "examples.png") as temporary:
        temporary.write_bytes(grid)
    hidden = hidden_layer_figures(images, result)
    _write_hidden(folder / "tsne.png", hidden)
    write_text(folder / "report.html", _page(result, grid, hidden).html())


def _write_hidden(path: Path, hidden: HiddenLayerFigures) -> None:
    if hidden.picture is None:
        path.unlink(missing_ok=True)  # from an earlier run
        return
    with atomic_path(path) as temporary:
        temporary.write_bytes(hidden.picture.png)


def examples(images: AttackedImages, eps: float) -> list[AdversarialExample]:
    """Up to eight images in the order of the data: first those that changed from right to wrong, then the others."""
    was_right = images.predicted_clean == images.labels
    is_right = images.predicted[eps] == images.labels
    order = np.argsort(~(was_right & ~is_right), kind="stable")[:_MOST_EXAMPLES]
    return [
        AdversarialExample(
            clean=images.clean[k],
            adversarial=images.adversarial[eps][k],
            true=_name(images, images.labels[k]),
            predicted_clean=_name(images, images.predicted_clean[k]),
            predicted_adversarial=_name(images, images.predicted[eps][k]),
        )
        for k in order
    ]


def _name(images: AttackedImages, label: int) -> str:
    """The name of a class; a network may have more outputs than the data has classes."""
    return images.classes[label] if label < len(images.classes) else str(label)


def _page(result: AttackResult, grid: bytes, hidden: HiddenLayerFigures) -> Page:
    top = result.headline
    shown = Picture(
        grid,
        alt="A grid of images with columns for clean, adversarial and their difference",
        caption=f"Images at eps {top.eps:g}, true → predicted by the {result.reference}; first those that changed from right "
        "to wrong. The difference is in input units (averaged over channels if there are several).",
    )
    return Page(
        title=f"{result.model} on {result.data} under {result.method}",
        lead=f"{_capital(top.classifier)}: {top.clean.value:.3f} of {top.clean.n} images right when clean, "
        f"{top.adversarial.value:.3f} under {result.method} at eps {top.eps:g} ({top.threat}).",
        facts=_facts(result),
        tables=[*(_table(result, eps) for eps in result.eps), _methods(result), _classes(result), *hidden.tables],
        pictures=[*_over_eps(result), shown, *([hidden.picture] if hidden.picture else [])],
        notes=[*(f"Sanity check failed: {one.check}: {one.detail}." for one in result.findings), *result.notes, *hidden.notes],
    )


def _facts(result: AttackResult) -> list[tuple[str, str]]:
    ensemble = f"{result.members} members, headline by the {result.rule} rule" if result.members else "none"
    made = f"{result.trained} trained, {result.reused} from the cache" if result.trained + result.reused else "trained before"
    return [
        ("Threat model", result.threat_model),
        ("Images", f"{result.n_images} test images of {result.data}"),
        ("Ensemble", ensemble),
        ("Networks", f"{made}; seed {result.seed}, {result.device}"),
        ("Model SHA-256", result.model_sha256),
        ("Sanity checks", f"{len(result.findings)} failed, see the notes" if result.findings else "none failed"),
    ]


def _table(result: AttackResult, eps: float) -> PageTable:
    """One row per classifier, one column per threat."""
    rows = [row for row in result.rows if row.eps == eps]
    names, threats = (list(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("classifier", "threat"))
    if not result.members:
        figures = [(one.clean, one.adversarial, one.eight_bit) for one in rows]
        cells: list[Sequence[Cell]] = [
            [one.classifier, *map(figure_cell, found)] for one, found in zip(rows, figures, strict=True)
        ]
        headers = ["classifier", "clean", rows[0].threat, "after 8-bit rounding"]
        return PageTable(f"Accuracy at eps {eps:g}, with 95% intervals", headers, cells)
    last = threats[-1]
    cells = []
    for name in names:
        own = {row.threat: row for row in rows if row.classifier == name}
        compared = own.get(last, next(iter(own.values())))
        found = [figure_cell(own[threat].adversarial) if threat in own else "" for threat in threats]
        rounded = figure_cell(compared.eight_bit)
        cells.append([name, figure_cell(compared.clean), *found, rounded, figure_cell(compared.minus_mean)])
    bounds = (ThreatKind.TRANSFER, ThreatKind.TRANSFER_INSIDE)
    stamped = [f"{threat} (upper bound)" if threat in bounds else threat for threat in threats]
    headers = ["classifier", "clean", *stamped, f"{last}, after 8-bit rounding", f"{last}, minus mean rule"]
    return PageTable(f"Accuracy at eps {eps:g}, with 95% intervals", headers, cells, names.index(result.headline.classifier))


def _methods(result: AttackResult) -> PageTable:
    """The figures of single methods, without columns that are empty in this run."""
    headers = ["method", "eps", "accuracy", "target reached", "norm quartiles", "not fooled", "queries", "seconds"]
    rows = [_method(one) for one in result.by_method]
    used = [k for k in range(len(headers)) if any(row[k] for row in rows)]
    cells: list[Sequence[Cell]] = [[row[k] for k in used] for row in rows]
    return PageTable(f"Each method alone on the {result.reference}", [headers[k] for k in used], cells)


def _method(one: MethodRow) -> list[Cell]:
    reached = figure_cell(one.reached) if one.reached else ""
    quartiles = ", ".join(f"{found.value:.3g}" for found in one.norm_quartiles) if one.norm_quartiles else ""
    failed = "" if one.failed_images is None else str(one.failed_images)
    left = figure_cell(one.adversarial)
    return [one.method, f"{one.eps:g}", left, reached, quartiles, failed, f"{one.queries:.1f}", f"{one.seconds:.1f}"]


def _classes(result: AttackResult) -> PageTable:
    top = result.headline
    cells: list[Sequence[Cell]] = [[one.name, figure_cell(one.clean), figure_cell(one.adversarial)] for one in result.per_class]
    caption = f"By class: {top.classifier} at eps {top.eps:g} ({top.threat})"
    return PageTable(caption, ["class", "clean", "adversarial"], cells)


def _over_eps(result: AttackResult) -> list[Picture]:
    """Each classifier against its strongest attacker, over eps."""
    if len(result.eps) < 2:
        return []
    names = dict.fromkeys(row.classifier for row in result.rows)
    plot = accuracy_plot([_series(result, name) for name in names], x_label="eps (input units)")
    caption = "Adversarial accuracy over eps, worst case; bands are 95% intervals."
    return [Picture(png(plot), alt="Adversarial accuracy of each classifier over eps", caption=caption)]


def _series(result: AttackResult, name: str) -> PlotSeries:
    own = [row for row in result.rows if row.classifier == name]
    rows = sorted((row for row in own if row.threat == own[-1].threat), key=lambda row: row.eps)
    found = [row.adversarial for row in rows]
    return PlotSeries(
        name,
        x=[row.eps for row in rows],
        y=[one.value for one in found],
        low=[one.low for one in found],
        high=[one.high for one in found],
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
