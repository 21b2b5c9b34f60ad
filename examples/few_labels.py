"""What unlabelled images are worth beside 100 labels, by each method of --semi, in pairs over seeds, as Markdown.

python examples/few_labels.py mnist.npz --work runs/few-labels -o few-labels.md

Each network is a run directory below --work; a run that is there already is not trained again.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean

import torch
from _page import page_options, run_script, table, today, write_page

from dlcli.core.evaluation.slices import holm
from dlcli.core.stats import mean_difference, p_value
from dlcli.engines import train
from dlcli.engines.train.semi_files import PSEUDO_LABELS
from dlcli.specs.figures import percent
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult
from dlcli.support.atomic import write_text
from dlcli.support.json_metadata import read_json_metadata

PAPER = {"marginal": "92.6", "gumbel-softmax": "92.4", "gumbel-st": "93.6"}
"""Table 2 of Jang et al. 2017: 100 labels, 50,000 unlabelled images, the best of several alpha on the test set."""
METHODS = ("none", "fixmatch", "gumbel-softmax", "gumbel-st", "marginal", "pseudo-label", "mean-teacher", "entropy")


def main() -> None:
    """Train what is not there yet, and print or write the Markdown."""
    options = parsed()
    found: dict[str, list[TrainResult]] = {name: [] for name in options.methods}
    for seed, name in product(range(options.seed, options.seed + options.seeds), options.methods):
        found[name].append(trained(options, name, seed))
    pages = [accuracies(options, found), pseudo_labels(options, found), facts(options, found)]
    write_page("\n\n".join(pages) + "\n", options.output)


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("data", help="as of --data of dlcli train")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where the runs are")
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="NAME", help="as of --semi (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default: 3)")
    parser.add_argument("--labels", type=int, default=100, help="number of labels (default: 100)")
    parser.add_argument("--limit", type=int, default=20_000, help="training images, labelled or not (default: 20,000)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs (default: 3)")
    parser.add_argument("--steps", type=int, default=300, help="steps per epoch (default: 300)")
    return parser.parse_args()


def trained(options: argparse.Namespace, name: str, seed: int) -> TrainResult:
    """The result of a method from a seed, which draws the labels too."""
    config = TrainConfig(
        data=options.data,
        model="_few_labels_network:network",
        semi=name,
        labels=options.labels,
        limit=options.limit,
        epochs=options.epochs,
        steps_per_epoch=options.steps,
        batch_size=64,
        optimizer="adam",
        lr=2e-3,
        schedule="cosine",
        augment=("shift",),
        precision="float32",
        device="cpu",
        seed=seed,
        output=options.work / f"{name}-{seed}",
        resume=True,
    )
    found = train.run(config)
    if not isinstance(found, TrainResult):
        raise TypeError("not the result of images")
    cost = options.work / f"{name}-{seed}.json"
    if not cost.exists():
        write_text(cost, json.dumps({"cpu_seconds": found.rows[0].cpu_seconds}))
    return replace(found, rows=(replace(found.rows[0], **read_json_metadata(cost)),))


def accuracies(options: argparse.Namespace, found: dict[str, list[TrainResult]]) -> str:
    """The accuracy of each method, and its paired difference from supervised training."""
    base = [one.rows[0].accuracy.value for one in found["none"]]
    gaps = {
        name: mean_difference([one.rows[0].accuracy.value - other for one, other in zip(results, base, strict=True)], step=1e-4)
        for name, results in found.items()
        if name != "none"
    }
    corrected = dict(zip(gaps, holm([p_value(gap) for gap in gaps.values()]), strict=True))
    rows = []
    for name, results in found.items():
        each = [percent(one.rows[0].accuracy) for one in results]
        mean = f"{100 * fmean(one.rows[0].accuracy.value for one in results):.1f}"
        verdict = "" if name == "none" else "established" if corrected[name] <= 0.05 else "not established"
        gap = "" if name == "none" else percent(gaps[name])
        p = "" if name == "none" else f"{corrected[name]:.2g}"
        rows.append([f"`{name}`", mean, *each, gap, verdict, p, PAPER.get(name, "")])
    seeds = [f"seed {options.seed + k}" for k in range(options.seeds)]
    head = ["`--semi`", "mean, %", *seeds, "minus `none`, points", "verdict", "p by Holm", "paper, %"]
    return table(head, rows)


def pseudo_labels(options: argparse.Namespace, found: dict[str, list[TrainResult]]) -> str:
    """Costs, and coverage and accuracy of pseudo-labels after each epoch, as means over seeds."""
    rows = []
    for name, results in found.items():
        epochs = [[] if name == "none" else by_epoch(Path(one.folder)) for one in results]
        steps, seconds = results[0].rows[0].steps, [one.rows[0].cpu_seconds for one in results]
        known = [value for value in seconds if value is not None]
        shares = [mean_shares([of_seed[k] for of_seed in epochs]) for k in range(options.epochs)] if name != "none" else []
        rows.append([f"`{name}`", f"{steps:,}", f"{fmean(known):.1f}" if known else "", *(shares or [""] * options.epochs)])
    epochs_head = [f"epoch {k + 1}" for k in range(options.epochs)]
    return table(["`--semi`", "steps", "CPU seconds", *epochs_head], rows)


def by_epoch(folder: Path) -> list[tuple[float, float]]:
    """Coverage and accuracy of the pseudo-labels of a run after each epoch."""
    epochs = read_json_metadata(folder / PSEUDO_LABELS)["epochs"]
    return [(one["given"] / one["n"], one["right"] / max(1, one["given"])) for one in epochs]


def mean_shares(shares: Sequence[tuple[float, float]]) -> str:
    """Means over seeds, in percent."""
    return " / ".join(f"{100 * fmean(column):.1f}" for column in zip(*shares, strict=True))


def facts(options: argparse.Namespace, found: dict[str, list[TrainResult]]) -> str:
    """How it was measured."""
    first = found["none"][0]
    steps, unlabelled = options.epochs * options.steps, options.limit - options.labels
    return (
        f"Measured on {today()}: {Path(options.data).name}, {options.labels} labels, {unlabelled:,} unlabelled images, "
        f"{first.n_test:,} test images, {steps:,} steps of 50 labelled images, seeds {options.seed} to "
        f"{options.seed + options.seeds - 1} (each draws its labels), CPU ({torch.get_num_threads()} thread), torch "
        f"{torch.__version__}. Accuracies of networks have 95% intervals; differences are paired over seeds, with "
        "Student's t intervals, p-values by Holm. Pseudo-labels: share of unlabelled images that get one / share of these "
        "that is right, in %."
    )


if __name__ == "__main__":
    run_script(main)
