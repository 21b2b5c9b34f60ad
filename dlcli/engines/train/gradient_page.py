"""What the page of a training shows of its gradients: noise, norms and dead units by epoch."""

from collections.abc import Callable, Mapping, Sequence

from dlcli.core.gradients.plots import weights_plot
from dlcli.core.html_report.figures import PlotSeries, noise_plot
from dlcli.core.html_report.parts import Cell, Chart, Fold, PageTable, Part
from dlcli.core.html_report.vector import svg
from dlcli.specs.gradient_probe import GradientProbe
from dlcli.support.plural import count

_NOISE = (
    "The noise scale of the gradient with its 95% interval, and the batch size: batches much smaller are mostly noise, of much "
    "larger ones each image adds next to nothing (McCandlish et al. 2018). Gaps: the mean gradient is lost in noise."
)
_WEIGHTS = (
    "The root mean square of the mean gradient of each weight, and the share of units of each activation that are above 0 for "
    "none of the images, from input (top) to output."
)


def gradient_parts(probes: Sequence[GradientProbe], batch_size: int) -> list[Part]:
    """The parts of a page; none where nothing was measured."""
    if not probes:
        return []
    known = [one for one in probes if one.noise is not None]
    parts: list[Part] = []
    if known:
        series = PlotSeries(
            "noise scale",
            [one.epoch for one in known],
            [one.noise or 0.0 for one in known],
            [one.noise_low or 0.0 for one in known],
            [one.noise_high or 0.0 for one in known],
        )
        parts.append(Chart(svg(noise_plot(series, batch_size), alt="Noise scale of the gradient by epoch"), _NOISE))
    epochs = [one.epoch for one in probes]
    figure = weights_plot(epochs, _rows(probes, lambda one: one.layers), _rows(probes, lambda one: one.dead))
    parts.append(Chart(svg(figure, alt="Gradients of weights and dead units by epoch"), _WEIGHTS))
    return [*parts, Fold("Gradients by epoch", [_table(probes)])]


def _rows(probes: Sequence[GradientProbe], read: Callable[[GradientProbe], Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [read(one).get(name, float("nan")) for one in probes] for name in read(probes[0])}


def _table(probes: Sequence[GradientProbe]) -> PageTable:
    rows: list[list[Cell]] = [
        [str(one.epoch), f"{one.norm:.3g}", _noise(one), f"{100 * max(one.dead.values(), default=0.0):.1f}"] for one in probes
    ]
    head = ["epochs", "norm of the gradient", "noise scale, images", "most dead units of an activation, %"]
    return PageTable(f"Gradients of {count(probes[0].n, 'training image')}", head, rows, words=0)


def _noise(one: GradientProbe) -> str:
    if one.noise is None:
        return "lost in noise"
    return f"{one.noise:.3g} [{one.noise_low or 0:.3g}, {one.noise_high or 0:.3g}]"
