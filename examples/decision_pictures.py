"""The pictures of docs/decisions.md, docs/gradients.md and docs/training.md, drawn from runs on the embedded digits.

python examples/decision_pictures.py
"""

import json
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from trials import DEEP, deep_network

from dlcli.core.data import open_data
from dlcli.core.evaluation.abstention import abstention
from dlcli.core.evaluation.calibration import reliability
from dlcli.core.evaluation.curve_plots import risk_plot
from dlcli.core.evaluation.prediction_files import read_predictions
from dlcli.core.evaluation.predictions import Predictions
from dlcli.core.html_report.figures import COLOURS, PlotSeries, noise_plot
from dlcli.core.sample_size import expected_power
from dlcli.core.text.table_input import open_table
from dlcli.engines import eval, predict, probe_gradients, train
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig

DOCS = Path(__file__).resolve().parent.parent / "docs"
SIZE = (6.6, 3.6)


def main() -> None:
    """Draw all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        halves(folder / "halves.npz")
        train.run(TrainConfig(epochs=5, output=folder / "run"))
        train.run(TrainConfig(epochs=8, output=folder / "longer"))
        train.run(TrainConfig(data=str(folder / "halves.npz"), epochs=2, output=folder / "held"))
        save(_against(folder), "decisions-against")
        save(_suspects(folder), "decisions-suspects")
        save(_set_sizes(folder), "decisions-sets")
        save(_abstain(folder), "decisions-abstain")
        save(_calibration(folder), "decisions-calibration")
        save(_power(), "training-seeds")
        save(_probe(folder), "training-noise")
        save(_trials(folder), "gradients-trials")


def save(figure: Figure, name: str) -> None:
    """Write a figure to the folder of the documentation, the same bytes for the same figure."""
    with mpl.rc_context({"svg.hashsalt": "dlcli"}):
        figure.savefig(DOCS / f"{name}.svg", format="svg", metadata={"Date": None})


def halves(path: Path) -> None:
    """Write the digits with half of the test images as a dev set."""
    data = open_data("digits")
    x, y = data.x_test.squeeze(1).numpy(), data.y_test.numpy()
    arrays = {"x_train": data.x_train.squeeze(1).numpy(), "y_train": data.y_train.numpy()}
    np.savez(path, **arrays, x_dev=x[::2], y_dev=y[::2], x_test=x[1::2], y_test=y[1::2])


def _against(folder: Path) -> Figure:
    """The difference of two networks by class."""
    found = eval.run(EvalConfig(model=str(folder / "longer"), against=str(folder / "run"))).comparison
    if found is None:
        raise ValueError("no comparison")
    rows = [("all", found.difference), *((f"class {one.name}", one.difference) for one in found.parts)]
    figure, axes = axes_of("accuracy of the new network less that of the old, points")
    for k, (_, gap) in enumerate(rows):
        ends = [[100 * (gap.value - gap.low)], [100 * (gap.high - gap.value)]]
        axes.errorbar([100 * gap.value], [-k], xerr=ends, fmt="o", markersize=4, color=COLOURS[1 if k else 2])
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    axes.set_yticks([-k for k in range(len(rows))], [name for name, _ in rows], fontsize=9)
    return figure


def _suspects(folder: Path) -> Figure:
    """The first suspects among digits of which one in twenty has a flipped label."""
    data, random = open_data("digits"), np.random.default_rng(0)
    x, y = data.x_train.squeeze(1).numpy(), data.y_train.numpy().copy()
    flipped = random.choice(len(y), len(y) // 20, replace=False)
    y[flipped] = (y[flipped] + random.integers(1, 10, len(flipped))) % 10
    np.savez(folder / "flipped.npz", x_train=x, y_train=y, x_test=data.x_test.squeeze(1).numpy(), y_test=data.y_test.numpy())
    train.run(TrainConfig(data=str(folder / "flipped.npz"), epochs=8, suspects=5, output=folder / "suspects"))
    table = open_table(str(folder / "suspects" / "suspects.csv"))
    columns = {name: k for k, name in enumerate(table.columns)}
    figure = Figure(figsize=(6.6, 2.6), layout="constrained")
    for axes, row in zip(figure.subplots(2, 8).flat, table.rows, strict=False):
        axes.imshow(x[int(row[columns["index"]])], cmap="gray_r")
        axes.set_title(f"{row[columns['given']]}, not {row[columns['suggested']]}?", fontsize=8)
        axes.set_axis_off()
    return figure


def _set_sizes(folder: Path) -> Figure:
    """How many classes sets have, by method."""
    figure, axes = axes_of("classes in a set", "share of images, %")
    for k, method in enumerate(("lac", "aps", "raps")):
        options = {"model": str(folder / "held"), "data": str(folder / "halves.npz"), "split": "test"}
        rows = predict.run(PredictConfig(**options, coverage=0.95, sets=method)).frame()
        shares = np.bincount(rows["set_size"].to_numpy(dtype=int), minlength=6)[1:6] / len(rows)
        axes.bar(np.arange(1, 6) + 0.27 * (k - 1), 100 * shares, 0.25, color=COLOURS[k + 1], label=method)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _abstain(folder: Path) -> Figure:
    """Errors among answers, by the share that is answered."""
    found = _predictions(folder, "run")
    if found.confidence is None:
        raise ValueError("no probabilities")
    return risk_plot(found.confidence, found.correct, abstention(found.confidence, found.correct, 0.02))


def _calibration(folder: Path) -> Figure:
    """Accuracy by confidence, before and after."""
    figure, axes = axes_of("probability of the predicted class, %", "right, %")
    axes.plot([0, 100], [0, 100], "--", color=COLOURS[0], linewidth=1)
    eval.run(EvalConfig(model=str(folder / "held"), split="test", calibrate="dev", output=folder / "calibrated"))
    for k, (label, options) in enumerate((("as trained", {"uncalibrated": True}), ("temperature", {}))):
        eval.run(EvalConfig(model=str(folder / "held"), split="test", output=folder / label, **options))
        found = read_predictions(open_table(str(folder / label / "predictions.csv"))).predictions
        bins = reliability(np.asarray(found.confidence), found.correct)
        seen = bins.n >= 5  # fewer tell nothing
        axes.plot(100 * bins.confidence[seen], 100 * bins.accuracy[seen], "o-", color=COLOURS[k + 1], label=label, markersize=4)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _power() -> Figure:
    """How often a difference of half a point is established, by seeds and the spread of three pilot pairs."""
    figure, axes = axes_of("seeds", "half a point is established, %")
    seeds = np.arange(2, 41)
    for k, deviation in enumerate((0.0025, 0.005, 0.01)):
        for style, degrees in (("-", 2), (":", 0)):
            power = [100 * expected_power(int(n), 0.005, deviation, degrees) for n in seeds]
            label = f"spread of {100 * deviation:g} points" if degrees else None
            axes.plot(seeds, power, style, color=COLOURS[k + 1], label=label)
    axes.axhline(80, color=COLOURS[0], linewidth=1, linestyle="--")
    axes.legend(frameon=False, fontsize=9)
    return figure


def _probe(folder: Path) -> Figure:
    """The noise scale over epochs."""
    train.run(TrainConfig(model="resnet-24", epochs=10, probe=1, output=folder / "probed"))
    probes = json.loads((folder / "probed" / "gradients.json").read_text())["probes"]
    known = [one for one in probes if one["noise"] is not None]
    epochs, noise, low, high = ([one[name] for one in known] for name in ("epoch", "noise", "noise_low", "noise_high"))
    return noise_plot(PlotSeries("noise scale", epochs, noise, low, high), 64)


def _trials(folder: Path) -> Figure:
    """What each suggested surgery is worth on a deep network."""
    model = deep_network(folder, *DEEP["12 layers, 64 wide"])
    options = {"data": "digits", "limit": 400, "points": 64, "walks": 4}
    found = probe_gradients.run(ProbeGradientsConfig(model=model, try_suggested=True, seeds=5, **options)).trials
    figure, axes = axes_of("test accuracy with the surgery less that without, points")
    for k, one in enumerate(found):
        gap = one.difference
        ends = [[100 * (gap.value - gap.low)], [100 * (gap.high - gap.value)]]
        axes.errorbar([100 * gap.value], [-k], xerr=ends, fmt="o", color=COLOURS[2 if one.established else 1])
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    axes.set_yticks([-k for k in range(len(found))], [f"{one.surgery}: {one.verdict}" for one in found], fontsize=9)
    return figure


def _predictions(folder: Path, run: str) -> Predictions:
    eval.run(EvalConfig(model=str(folder / run), output=folder / f"{run}-evaluated"))
    return read_predictions(open_table(str(folder / f"{run}-evaluated" / "predictions.csv"))).predictions


def axes_of(x_label: str, y_label: str = "") -> tuple[Figure, mpl.axes.Axes]:
    """A figure and its axes."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


if __name__ == "__main__":
    main()
