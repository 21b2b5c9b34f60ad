"""The pictures of duplicates, of test sets that are large enough, of checked runs and of long videos, drawn from real runs.

python examples/trust_pictures.py

The photographs are those of scikit-learn, cut into pieces; the digits are embedded too.
"""

import csv
import io
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
from decision_pictures import SIZE, axes_of, halves, save
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_sample_images

from dlcli.cli.commands.eval import COMMAND as EVAL
from dlcli.cli.execute import record
from dlcli.core.data import open_data
from dlcli.core.html_report.figures import COLOURS
from dlcli.engines import eval, predict, train, verify
from dlcli.specs.eval import EvalConfig, EvalResult
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig
from dlcli.specs.verify import Verdict, VerifyConfig
from dlcli.support.fingerprints import SEAL, file_sha256, seal
from dlcli.support.record import Start

SIDE, COPIES = 96, 8
FPS, FRAMES, SPEED = 8, 8, 4
SECONDS = (("left", 3.0), ("right", 2.5), ("left", 1.5), ("right", 3.0), ("left", 2.0))
"""The film: which way the digit moves, and for how long."""
NETWORK = """
from torch import nn

def net(channels, classes, frames):
    layers = [nn.Conv3d(channels, 16, (3, 5, 5), padding=(1, 2, 2)), nn.ReLU(), nn.MaxPool3d((1, 2, 2))]
    layers += [nn.Conv3d(16, 16, (3, 5, 5), padding=(1, 2, 2)), nn.ReLU(), nn.AdaptiveAvgPool3d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, classes))
"""


def main() -> None:
    """Draw all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(_duplicates(folder), "decisions-leaks")
        save(_images_needed(folder), "decisions-images")
        train.run(TrainConfig(epochs=5, output=folder / "run"))
        save(_margins(folder), "decisions-margins")
        save(_checked(folder), "verifying-claims")
        save(_windows(folder), "video-windows")


def _duplicates(folder: Path) -> Figure:
    """Copies of training images among the test images, above these, and whether they were found."""
    random = np.random.default_rng(0)
    photographs = [image.astype(np.uint8) for image in load_sample_images().images]
    pieces = [(k, photo[r : r + SIDE, c : c + SIDE]) for k, photo in enumerate(photographs) for r, c in _corners(photo.shape)]
    pieces = [pieces[k] for k in random.permutation(len(pieces))]
    half = len(pieces) // 2
    training, test = pieces[:half], pieces[half:]
    test += [(label, _copy(image, k)) for k, (label, image) in enumerate(training[:COPIES])]
    arrays = {
        f"{axis}_{name}": np.array([one[k] for one in part])
        for name, part in (("train", training), ("test", test))
        for k, axis in enumerate("yx")
    }
    np.savez(folder / "pieces.npz", **arrays)
    train.run(TrainConfig(data=str(folder / "pieces.npz"), model="lenet", epochs=4, output=folder / "pieces"))
    found = _evaluated(EvalConfig(model=str(folder / "pieces"), leaks=True)).leaks
    if found is None:
        raise ValueError("no duplicates")
    nearest = {one.index: one.training_index for one in found.pairs}
    own = len(test) - COPIES
    print(f"duplicates: {found.count} of {found.n} test images, {len(nearest.keys() - set(range(own)))} of {COPIES} planted")
    figure = Figure(figsize=(SIZE[0], 2.1), layout="constrained")
    for k, (above, below) in enumerate(figure.subplots(2, COPIES).T):
        above.imshow(arrays["x_test"][own + k])
        above.set_title("found" if nearest.get(own + k) == k else "not found", fontsize=8)
        below.imshow(arrays["x_train"][k])
        for axes, name in ((above, "test"), (below, "training")):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if k == 0:
                axes.set_ylabel(name, fontsize=8)
    return figure


def _corners(shape: Sequence[int]) -> list[tuple[int, int]]:
    return [(row, column) for row in range(0, shape[0] - SIDE, SIDE) for column in range(0, shape[1] - SIDE, SIDE)]


def _copy(image: np.ndarray, k: int) -> np.ndarray:
    """The image compressed again; each second one mirrored, each third one cropped."""
    picture = Image.fromarray(image)
    if k % 2:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if k % 3 == 0:
        picture = picture.crop((4, 4, SIDE - 2, SIDE - 2)).resize((SIDE, SIDE))
    stream = io.BytesIO()
    picture.save(stream, "jpeg", quality=40)
    return np.asarray(Image.open(stream))


def _images_needed(folder: Path) -> Figure:
    """How many images establish a difference, by its size."""
    data = folder / "halves.npz"
    halves(data)
    for name, epochs in (("held", 2), ("later", 4)):
        train.run(TrainConfig(data=str(data), epochs=epochs, output=folder / name))
    sizes = (0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05)
    options: dict[str, Any] = {"model": str(folder / "later"), "against": str(folder / "held"), "split": "test"}
    needed = [_evaluated(EvalConfig(**options, detect=size)).needed for size in sizes]
    known = [one for one in needed if one is not None]
    images = np.array([sorted(share.images for share in one.shares) for one in known])
    figure, axes = axes_of("difference to be established, points", "test images for a power of 80%")
    points = 100 * np.array(sizes)
    axes.fill_between(points, images[:, 0], images[:, -1], color=COLOURS[1], alpha=0.2, linewidth=0)
    axes.plot(points, images[:, 1], "o-", color=COLOURS[1], markersize=4)
    axes.axhline(known[0].n, color=COLOURS[0], linestyle="--", linewidth=1)
    axes.annotate(
        f"the {known[0].n} images that there are", (points[0], known[0].n), (0, 4), textcoords="offset points", fontsize=9
    )
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(points, [f"{one:g}" for one in points])
    counts = (300, 1000, 3000, 10_000, 30_000)
    axes.set_yticks(counts, [f"{one:,}" for one in counts])
    axes.minorticks_off()
    return figure


def _margins(folder: Path) -> Figure:
    """The margins in the table that eval writes, of right and of wrong predictions."""
    eval.run(EvalConfig(model=str(folder / "run"), output=folder / "out"))
    with (folder / "out" / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    figure, axes = axes_of("margin: probability of the true class less the highest other", "images")
    margins = [[float(row["margin"]) for row in rows if row["correct"] == right] for right in ("true", "false")]
    names = [f"{len(found)} {word}" for found, word in zip(margins, ("right", "wrong"), strict=True)]
    axes.hist(margins, bins=np.linspace(-1, 1, 41), stacked=True, color=[COLOURS[1], COLOURS[2]], label=names)
    axes.set_yscale("symlog", linthresh=10)
    ticks = (0, 5, 10, 30, 100, 300)
    axes.set_yticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def _checked(folder: Path) -> Figure:
    """What verify finds in records that were changed in several ways."""
    kinds = {name: _verdicts(folder, name, change) for name, change in _CHANGES.items()}
    claims = list(kinds["honest"])
    verdicts = (Verdict.SAME, Verdict.CLOSE, Verdict.REFUSED, Verdict.SKIPPED)
    grid = np.array([[verdicts.index(found.get(claim, Verdict.SKIPPED)) for found in kinds.values()] for claim in claims])
    figure = Figure(figsize=(SIZE[0], 4.6), layout="constrained")
    axes = figure.subplots()
    shades = ListedColormap([COLOURS[1], "#9ecae1", COLOURS[2], "#eeeeee"])
    axes.pcolormesh(grid[::-1], cmap=shades, vmin=-0.5, vmax=3.5, edgecolors="white", linewidth=1)
    axes.set_xticks(np.arange(len(kinds)) + 0.5, list(kinds), fontsize=8)
    axes.set_yticks(np.arange(len(claims)) + 0.5, claims[::-1], fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    handles = [axes.scatter([], [], marker="s", s=60, color=shades(k), label=word) for k, word in enumerate(_WORDS)]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return figure


_WORDS = ("same", "inside its interval", "refused", "not looked at, since hashes differ")


def _verdicts(folder: Path, name: str, change: Callable[[Path], None]) -> dict[str, Verdict]:
    """What `dlcli verify` finds for each claim of a record that `change` has changed."""
    place = folder / f"evaluated {name}".replace("\n", " ")
    config = EvalConfig(model=str(folder / "run"), output=place)
    started = Start(datetime.now(UTC), time.monotonic())
    record(EVAL, config, eval.run(config), started, 0, [])
    change(place)
    found = verify.run(VerifyConfig(folder=place))
    return {_short(one.what, place): one.verdict for one in found.checks if one.verdict is not Verdict.OTHER}


def _short(what: str, place: Path) -> str:
    return what.replace(str(place.parent) + "/", "")


def _edited_figure(place: Path, *, sealed: bool = False) -> None:
    content = json.loads((place / "run.json").read_text())
    content["result"]["metrics"][0]["estimate"]["value"] += 0.01
    _write(place, content, sealed=sealed)


def _edited_labels(place: Path) -> None:
    """Every wrong prediction becomes right, and all hashes and the accuracy fit."""
    path = place / "predictions.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    truth, label, correct = (lines[0].index(name) for name in ("truth", "label", "correct"))
    for cells in lines[1:]:
        cells[label], cells[correct] = cells[truth], "true"
    path.write_text("\n".join(",".join(cells) for cells in lines) + "\n")
    content = json.loads((place / "run.json").read_text())
    content["result"]["metrics"][0]["estimate"]["value"] = 1.0
    _write(place, content, sealed=True)


def _write(place: Path, content: dict[str, Any], *, sealed: bool) -> None:
    """Write a record; `sealed` computes all hashes again."""
    if sealed:
        content["files"] = {name: file_sha256(place / name) for name in content["files"]}
        content[SEAL] = seal(content)
    (place / "run.json").write_text(json.dumps(content))


_CHANGES: dict[str, Callable[[Path], None]] = {
    "honest": lambda place: None,
    "a figure\nedited": _edited_figure,
    "a figure, and\nall hashes": lambda place: _edited_figure(place, sealed=True),
    "predictions, and\nall hashes": _edited_labels,
}


def _windows(folder: Path) -> Figure:
    """The probability that a digit moves to the right, for each window of a film, above what it does."""
    (folder / "net.py").write_text(NETWORK)
    options: dict[str, Any] = {"data": f"moving-digits-{SPEED}", "frames": FRAMES, "limit": 400}
    train.run(TrainConfig(model=f"{folder}/net.py:net", epochs=12, lr=0.003, output=folder / "moves", **options))
    film = _film(folder / "long.mp4")
    found = predict.run(
        PredictConfig(model=str(folder / "moves"), data=str(film), every="500ms", window="1s", frames=FRAMES, trust_code=True)
    ).frame()
    right = np.where(found["label"] == "right", found["probability"], 1 - found["probability"]).astype(float)
    figure, axes = axes_of("seconds", "probability of 'right', %")
    begin = 0.0
    for direction, length in SECONDS:
        if direction == "right":
            axes.axvspan(begin, begin + length, color=COLOURS[0], alpha=0.15, linewidth=0)
        axes.annotate(direction, (begin + length / 2, 108), ha="center", fontsize=9, annotation_clip=False)
        begin += length
    axes.hlines(100 * right, found["begin"], found["end"], color=COLOURS[1], linewidth=2)
    axes.set(ylim=(-4, 104), xlim=(0, begin))
    return figure


def _film(path: Path) -> Path:
    """A digit of the test set that moves to the left and to the right."""
    canvas = np.zeros((32, 32), np.uint8)
    canvas[12:20, 12:20] = 255 * open_data("digits").x_test[0, 0].numpy()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        for direction, length in SECONDS:
            for _ in range(round(length * FPS)):
                canvas = np.roll(canvas, SPEED if direction == "right" else -SPEED, axis=1)
                pixels = np.repeat(canvas[..., None], 3, axis=2)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return path


def _evaluated(config: EvalConfig) -> EvalResult:
    found = eval.run(config)
    if not isinstance(found, EvalResult):
        raise TypeError("classes")
    return found


if __name__ == "__main__":
    main()
