"""The files that `dlcli ensemble` leaves beside the members: gain.png and report.html."""

from collections.abc import Mapping
from pathlib import Path

from dlcli.core.html_report.figures import PlotSeries, difference_plot, png
from dlcli.core.html_report.parts import Chart
from dlcli.core.html_report.vector import svg
from dlcli.engines.ensemble.page import ensemble_page
from dlcli.engines.ensemble.rows import rule_name
from dlcli.specs.ensemble import EnsembleResult
from dlcli.specs.estimates import Difference
from dlcli.support.atomic import atomic_path, write_text


def write_report(folder: Path, result: EnsembleResult, gains: Mapping[str, Mapping[int, Difference]]) -> None:
    """Write the gain as a picture, and the page.

    Args:
        folder: The directory of the ensemble.
        result: A result with a headline.
        gains: Of each rule over the mean of members by the number of members.
    """
    figure = difference_plot(
        [_series(rule_name(rule), found) for rule, found in gains.items()],
        x_label="members",
        y_label="gain over the mean of members, points",
    )
    with atomic_path(folder / "gain.png") as temporary:
        temporary.write_bytes(png(figure))
    shown = Chart(
        svg(figure, alt="Gain of each rule over the mean of members by the number of members"),
        "Gain of each rule over the mean of its members, by their number; bands are 95% intervals of paired differences.",
    )
    if result.headline is not None:
        write_text(folder / "report.html", ensemble_page(result, result.headline, shown).html())


def _series(name: str, found: Mapping[int, Difference]) -> PlotSeries:
    gaps = list(found.values())
    return PlotSeries(name, list(found), [gap.value for gap in gaps], [gap.low for gap in gaps], [gap.high for gap in gaps])
