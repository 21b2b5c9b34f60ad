"""Measure a network under the common corruptions, relative to a baseline, and print the figures as Markdown.

python examples/corruptions.py --data cifar10.npz --model resnet20.pth --arch cifar-resnet-20 --against runs/baseline
python examples/corruptions.py --model runs/digits --limit 100
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from _page import page_options, run_script, table, today, write_page
from matplotlib.figure import Figure

from dlcli.cli.reporter import TerminalReporter
from dlcli.engines import attack
from dlcli.specs.attack import AttackConfig
from dlcli.specs.corruption_attack import CorruptionError, CorruptionResult
from dlcli.specs.corruptions import FAMILIES, METHOD
from dlcli.specs.figures import percent, points


def main() -> None:
    """Run, and print or write the Markdown."""
    options = parsed()
    config = AttackConfig(
        method=METHOD,
        **{name: getattr(options, name) for name in ("data", "model", "arch", "normalise", "against", "limit", "seed")},
        output=options.folder,
    )
    started = time.process_time()
    result = attack.run(config, report=TerminalReporter())
    if not isinstance(result, CorruptionResult):
        raise TypeError("corruptions of a network that classifies")
    if options.picture:
        picture(result).savefig(options.picture)
    write_page(markdown(result, time.process_time() - started), options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--data", help="as of --data of dlcli attack")
    parser.add_argument("--model", required=True, help="a run directory or a checkpoint")
    parser.add_argument("--arch", help="the architecture of a checkpoint")
    parser.add_argument("--normalise", default="none", help="as of --normalise of dlcli attack")
    parser.add_argument("--against", help="the run directory of the baseline")
    parser.add_argument("--limit", type=int, help="number of test images")
    parser.add_argument("--folder", type=Path, help="where the page goes")
    parser.add_argument("--picture", type=Path, help="a picture of the errors, .svg or .png")
    return parser.parse_args()


def markdown(result: CorruptionResult, seconds: float) -> str:
    """The table and how it was measured."""
    head = ["corruption", "family", "error, %", "error of the baseline, %", "relative to it"]
    family = {name: kind for kind, names in FAMILIES.items() for name in names}
    rows = [cells(one, family[one.corruption]) for one in result.by_corruption]
    rows.append(["mean", "", percent(result.mean_error), "", str(result.relative_error or "")])
    against = "" if result.minus_baseline is None else f" Accuracy minus the baseline's: {points(result.minus_baseline)}."
    degraded = "" if result.relative_degradation is None else f" Relative mCE: {result.relative_degradation}."
    measured = (
        f"Measured on {today()}: n = {result.n_images} test images, clean accuracy {percent(result.clean, '%')}, seed "
        f"{result.seed}, {result.device}, torch {torch.__version__}, {seconds:.0f} CPU seconds.{against}{degraded}"
    )
    return f"{table(head, rows)}\n\n{measured}\n"


def cells(one: CorruptionError, family: str) -> list[str]:
    """One row of the table."""
    return [one.corruption, family, percent(one.error), percent(one.baseline), str(one.relative or "")]


def picture(result: CorruptionResult) -> Figure:
    """The error under each corruption with its interval, of the network and of the baseline."""
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.subplots()
    names = [one.corruption for one in result.by_corruption]
    series = [("network", "#0072b2", [one.error for one in result.by_corruption])]
    if result.against:
        series.append(("baseline", "#999999", [one.baseline for one in result.by_corruption]))
    for k, (name, colour, found) in enumerate(series):
        values = np.array([[100 * one.value, 100 * one.low, 100 * one.high] for one in found if one is not None])
        places = np.arange(len(names)) + 0.36 * (k - (len(series) - 1) / 2)
        ends = [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]]
        axes.barh(places, values[:, 0], 0.34, xerr=ends, color=colour, label=name)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("error, %, mean over five severities")
    axes.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    run_script(main)
