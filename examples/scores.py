"""What siamese pre-training and widening are worth for a network that predicts scores, in pairs over seeds, as Markdown.

python examples/scores.py DATA.npz -o scores.md
python examples/scores.py photos/ --model tiny-darknet --imagenet squeezenet1_1 weights.pth
python examples/scores.py photos/ --balance
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from _page import page_options, run_script, table, today, write_page

from dlcli.core.evaluation.slices import holm
from dlcli.core.stats import mean_difference, p_value
from dlcli.engines import train
from dlcli.specs.figures import scaled
from dlcli.specs.scores import ScoreRow, ScoreTrainResult
from dlcli.specs.train import TrainConfig

NEITHER, EQUAL = "neither", ", as many steps in all"
NATURAL, BALANCED = "natural sampling", "balanced sampling"
ESSAY = {"both": ".84", "pre-training only": ".82", NEITHER: ".68", "ImageNet start": ".73"}
"""Correlations that the essay gives, of 30,000 pictures of faces that are not public."""


def main() -> None:
    """Train, and print or write the Markdown."""
    options = parsed()
    wanted = {name: changes for name, changes in arms(options).items() if not options.arms or name in options.arms}
    found = {name: trained(options, changes) for name, changes in wanted.items()}
    pages = [balance_table(found)] if options.balance else comparisons(found)
    one = next(iter(found.values()))[0]
    n = one.metrics[0].estimate.n
    seeds = f"seeds {options.seed} to {options.seed + options.seeds - 1}"
    changed = "".join(f", {name}" for name in options.augment)
    side = f" at {options.size}x{options.size} pixels" if options.size else ""
    epochs = f"{options.epochs} epochs" + ("" if options.balance else " of each kind")
    facts = (
        f"Measured on {today()}: {Path(options.data).name}{side}{changed}, {n:,} test images, {options.model}, {epochs}, "
        f"{seeds}, CPU ({torch.get_num_threads()} thread), torch {torch.__version__}. Means over seeds; "
        "differences are paired, with Student's t intervals and p-values corrected by Holm in each table."
    )
    write_page("\n\n".join([*pages, facts]) + "\n", options.output)


def comparisons(found: Mapping[str, Sequence[ScoreRow]]) -> list[str]:
    """Tables of all arms beside the plain network."""
    spearman, mae = ({name: [figure(row, key) for row in rows] for name, rows in found.items()} for key in ("spearman", "mae"))
    references = {NEITHER: "Each against the network as it is", NEITHER + EQUAL: "Each against it with as many steps in all"}
    return [comparison(title, found, spearman, mae, name) for name, title in references.items() if name in found]


def parsed() -> argparse.Namespace:
    """The options as typed."""
    parser = page_options(__doc__)
    parser.add_argument("data", help="as of --data of dlcli train")
    parser.add_argument("--model", default="tiny-darknet-elu", help="as of --model of dlcli train (default: tiny-darknet-elu)")
    parser.add_argument("--imagenet", nargs=2, metavar=("NAME", "FILE"), help="a network of torchvision and its weights")
    parser.add_argument("--imagenet-size", type=int, default=64, help="size of the images for it (default: 64)")
    parser.add_argument("--imagenet-loss", help="as of --loss of dlcli train, for it")
    parser.add_argument("--balance", action="store_true", help="compare --balance score with natural sampling instead")
    parser.add_argument("--size", type=int, help="as of --size of dlcli train")
    parser.add_argument("--augment", nargs="+", default=(), metavar="NAME", help="as of --augment of dlcli train")
    parser.add_argument("--arms", nargs="+", metavar="NAME", help="networks of the tables, by name (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: 5)")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of pre-training, and of the scores (default: 8)")
    return parser.parse_args()


def arms(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What is trained, by name: changes of the configuration."""
    if options.balance:
        return {NATURAL: {}, BALANCED: {"balance": "score"}}
    pretrained, longer = {"pretrain": "siamese", "pretrain_epochs": options.epochs}, {"epochs": 2 * options.epochs}
    found: dict[str, dict[str, Any]] = {
        "both": {**pretrained, "grow": ("widen=2",)},
        "pre-training only": pretrained,
        "widening only": {"surgery": ("widen=2",)},
        NEITHER: {},
        "widening only" + EQUAL: {"surgery": ("widen=2",), **longer},
        NEITHER + EQUAL: longer,
    }
    if options.imagenet:
        name, file = options.imagenet
        found["ImageNet start"] = {
            "model": name,
            "weights": Path(file),
            "size": options.imagenet_size,
            "loss": options.imagenet_loss,
        }
    return found


def trained(options: argparse.Namespace, changes: Mapping[str, Any]) -> list[ScoreRow]:
    """The networks of one arm."""
    rows = []
    for seed in range(options.seed, options.seed + options.seeds):
        settings = {"data": options.data, "task": "score", "model": options.model, "epochs": options.epochs, "device": "cpu"}
        settings |= {"size": options.size, "augment": tuple(options.augment)}
        result = train.run(TrainConfig(**{**settings, **changes, "seed": seed}))
        if not isinstance(result, ScoreTrainResult):
            raise TypeError("scores were to be trained")
        rows += result.rows
    return rows


def figure(row: ScoreRow, name: str) -> float:
    """A figure; 0 for the correlation of predictions that are all equal."""
    found = row.figure(name)
    return 0.0 if found is None else found.value


def at_the_ends(row: ScoreRow) -> float:
    """The mean absolute error in the lowest and the highest third of the scores."""
    return fmean(third.mae.value for third in (row.thirds[0], row.thirds[-1]))


def balance_table(found: Mapping[str, Sequence[ScoreRow]]) -> str:
    """Both kinds of sampling, and their paired differences with verdicts."""
    figures = {
        "MAE": lambda row: figure(row, "mae"),
        "MAE in the lowest and highest third": at_the_ends,
        "Spearman": lambda row: figure(row, "spearman"),
    }
    sides = {name: [[value(row) for row in found[kind]] for kind in (BALANCED, NATURAL)] for name, value in figures.items()}
    gaps = {name: mean_difference([a - b for a, b in zip(*both, strict=True)]) for name, both in sides.items()}
    adjusted = dict(zip(gaps, holm([p_value(gap) for gap in gaps.values()]), strict=True))
    rows = [
        [name, *(f"{fmean(side):.3f}" for side in sides[name]), scaled(gap, decimals=3), verdict(adjusted[name])]
        for name, gap in gaps.items()
    ]
    return table(["figure", BALANCED, NATURAL, f"{BALANCED} minus {NATURAL}", "verdict"], rows)


def verdict(p: float) -> str:
    """What a corrected p-value says."""
    return f"{'established' if p <= 0.05 else 'not established'}, p {p:.2g}"


def comparison(
    title: str,
    found: Mapping[str, Sequence[ScoreRow]],
    spearman: Mapping[str, Sequence[float]],
    mae: Mapping[str, Sequence[float]],
    reference: str,
) -> str:
    """A table of the arms beside one of them."""
    others = [name for name in found if name != reference]
    gaps = {name: mean_difference([a - b for a, b in zip(spearman[name], spearman[reference], strict=True)]) for name in others}
    adjusted = dict(zip(others, holm([p_value(gap) for gap in gaps.values()]), strict=True))
    rows = []
    for name in found:
        shown = [name, f"{fmean(spearman[name]):.3f}", f"{fmean(mae[name]):.3f}", ESSAY.get(name, "–")]
        if name == reference:
            rows.append([*shown, "–", "–"])
            continue
        rows.append([*shown, scaled(gaps[name], decimals=3), verdict(adjusted[name])])
    head = ["network", "Spearman", "MAE", "the essay's correlation", f"minus {reference}", "verdict"]
    return f"{title}:\n\n{table(head, rows)}"


if __name__ == "__main__":
    run_script(main)
