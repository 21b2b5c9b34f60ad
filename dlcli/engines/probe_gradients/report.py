"""The files that `dlcli probe-gradients -o DIR` leaves: pictures, and a page with all figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dlcli.core.gradients.plots import acf_plot, layers_plot, lesion_bars, path_curve
from dlcli.core.html_report.figures import PlotSeries, png
from dlcli.engines.probe_gradients.page import by_network, probe_page
from dlcli.engines.probe_gradients.path_gradients import PathGradients, mean_curve
from dlcli.specs.probe_gradients import ProbeGradientsResult
from dlcli.support.atomic import atomic_path, write_text

PICTURES = ("autocorrelation.png", "layers.png", "lesion.png", "paths.png")


def write(folder: Path, result: ProbeGradientsResult, lines: Mapping[str, Sequence[PathGradients]]) -> None:
    """Leave the pictures and report.html in `folder`, each whole or not at all; pictures of an earlier run go."""
    pictures = _pictures(result, lines)
    for name, picture in pictures.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(png(picture))
    for name in set(PICTURES) - set(pictures):
        (folder / name).unlink(missing_ok=True)
    write_text(folder / "report.html", probe_page(result, pictures).html())


def _pictures(result: ProbeGradientsResult, lines: Mapping[str, Sequence[PathGradients]]) -> dict[str, Figure]:
    curves = [one for name, found in lines.items() if (one := _curve(name, found)) is not None]
    found = {"autocorrelation.png": acf_plot(curves, result.rows[0].points)}
    layers = by_network(result)
    found |= {"layers.png": layers_plot(layers)} if layers else {}
    found |= {"lesion.png": lesion_bars(result.lesions)} if result.lesions else {}
    return found | ({"paths.png": path_curve(result.path_lengths)} if result.path_lengths else {})


def _curve(name: str, lines: Sequence[PathGradients]) -> PlotSeries | None:
    found = mean_curve(lines)
    if found is None:
        return None
    return PlotSeries(
        name,
        x=range(len(found)),
        y=[one.value for one in found],
        low=[one.low for one in found],
        high=[one.high for one in found],
    )
