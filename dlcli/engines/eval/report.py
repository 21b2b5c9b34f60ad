"""Files of `dlcli eval -o DIR`: plots, and an HTML page with all figures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlcli.core.evaluation.calibration import Reliability
from dlcli.core.evaluation.plots import MisclassifiedImage, confusion_plot, mistakes_grid, reliability_plot
from dlcli.core.html_report.figures import png
from dlcli.engines.eval.explain import explanation_parts
from dlcli.engines.eval.page import EvalPictures, eval_page
from dlcli.engines.explanations import Explained
from dlcli.specs.eval import EvalResult
from dlcli.support.atomic import atomic_path, write_text


@dataclass(frozen=True)
class EvalFigures:
    """Data of the plots: mistakes (m, c, h, w), one frame of a video; confidence bins; confusion counts (classes, outputs).

    `explained` are maps, None without `explain`.
    """

    mistakes: np.ndarray
    bins: Reliability
    confusion: np.ndarray
    outputs: tuple[str, ...]
    explained: Explained | None = None


def write(folder: Path, result: EvalResult, shown: EvalFigures) -> None:
    """Write the plots and report.html to `folder`, each file atomically."""
    pictures = _pictures(result, shown)
    files = {"confusion.png": pictures.confusion, "reliability.png": pictures.reliability}
    if pictures.mistakes:
        files["mistakes.png"] = mistakes_grid(pictures.mistakes, title="most confident mistakes: true → predicted")
    else:
        (folder / "mistakes.png").unlink(missing_ok=True)  # of an earlier run
    for name, figure in files.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(png(figure))
    write_text(folder / "report.html", eval_page(result, pictures).html())


def _pictures(result: EvalResult, shown: EvalFigures) -> EvalPictures:
    ece = next(one.estimate for one in result.metrics if one.name == "ece")
    pairs = zip(shown.mistakes, result.mistakes, strict=True)
    return EvalPictures(
        confusion=confusion_plot(shown.confusion, [row.name for row in result.per_class], shown.outputs),
        reliability=reliability_plot(shown.bins, ece, unit=result.unit),
        explained=explanation_parts(shown.explained),
        mistakes=[MisclassifiedImage(image, one.true, one.predicted, one.probability) for image, one in pairs],
    )
