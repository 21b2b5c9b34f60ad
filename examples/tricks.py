"""Does it help? Each trick beside what it is compared with, in pairs over seeds, as Markdown: the figures of docs/systems.

python examples/tricks.py erase-relu --data ../shared/data
python examples/tricks.py selu --data FOLDER --seeds 3 --epochs 1 --limit 500
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _page import page_options, run_script, table, today, write_page

from dlcli.core.tasks import image_task
from dlcli.engines import train
from dlcli.specs.train import TrainConfig
from dlcli.specs.train_result import TrainResult

CIFAR, MNIST = "cifar10_subset.npz", "mnist.npz"
MOVED = ("horizontal-flip", "crop")
CORRUPTIONS = ("labels=1", "shuffled-pixels", "random-pixels", "gaussian")
TRICKS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "erase-relu": (
        {"data": CIFAR, "model": "cifar-resnet-20", "surgery": "erase-relu", "epochs": 5, "augment": MOVED},
        {"data": CIFAR, "model": "cifar-resnet-20", "surgery": "erase-relu", "epochs": 20, "augment": MOVED},
    ),
    "selu": (
        {"data": "digits", "model": "bn-8", "surgery": "selu"},
        {"data": "digits", "model": "bn-32", "surgery": "selu"},
        {"data": "digits", "model": "bn-8", "surgery": "selu:0,4", "versus": "--with selu"},
        {"data": MNIST, "model": "bn-8", "surgery": "selu", "limit": 10_000, "epochs": 10},
    ),
    "residual-scale": (
        {"data": "digits", "model": "resnet-56", "surgery": "residual-scale=0.1"},
        {"data": "digits", "model": "resnet-56", "surgery": "residual-scale=0.1", "versus": "baseline --model bn-56"},
        {"data": "digits", "model": "resnet-56", "versus": "--model bn-56"},
        {"data": MNIST, "model": "resnet-56", "surgery": "residual-scale=0.1", "limit": 5_000, "epochs": 10},
        {"data": MNIST, "model": "resnet-56", "versus": "--model bn-56", "limit": 5_000, "epochs": 10},
        {"data": CIFAR, "model": "cifar-resnet-56", "surgery": "residual-scale=0.1", "epochs": 5, "augment": MOVED},
    ),
    "corrupt": (
        *({"data": "digits", "model": "bn", "versus": f"--corrupt {what}", "epochs": 30} for what in CORRUPTIONS),
        *(
            {"data": CIFAR, "model": "cifar-resnet-20", "limit": 1000, "epochs": 40, "seeds": 2, **pair}
            for pair in (
                {"versus": "--corrupt labels=1"},
                {"corrupt": "shuffled-pixels", "versus": "--corrupt random-pixels"},
                {"corrupt": "labels=0.5", "versus": "--corrupt gaussian"},
            )
        ),
    ),
    "effective-paths": (
        {"data": CIFAR, "model": "cifar-resnet-20", "surgery": "effective-paths=4-10", "epochs": 10, "augment": MOVED},
        {"data": CIFAR, "model": "cifar-resnet-20", "surgery": "multi-residual=2", "epochs": 10, "augment": MOVED},
        {"data": "digits", "model": "resnet-56", "surgery": "effective-paths=10-34"},
        {"data": "digits", "model": "resnet-12", "surgery": "multi-residual=2", "versus": "baseline --model resnet-24"},
    ),
}
"""The comparisons of each trick: options of `dlcli train`, data by name in the folder; `versus` is baseline unless said."""


def main() -> None:
    """Run one trick, and print or write the Markdown."""
    options = parsed()
    parts = [f"Measured on {today()} by `python examples/tricks.py {' '.join(sys.argv[1:])}`.\n"]
    for place, trick in enumerate(TRICKS[options.trick]):
        if options.only is None or options.only == place:
            config = configured(trick, options)
            print(f"{config.model} on {config.data} against {config.versus}", file=sys.stderr)
            parts.append(markdown(config, train.run(config)))
    write_page("\n".join(parts), options.output)


def parsed() -> argparse.Namespace:
    """The options."""
    parser = page_options(__doc__, seed=False)
    parser.add_argument("trick", choices=TRICKS)
    parser.add_argument("--data", type=Path, default=Path(), help="the folder of the .npz files")
    parser.add_argument("--only", type=int, help="the number of one comparison, from 0")
    parser.add_argument("--seeds", type=int, help="instead of 5")
    parser.add_argument("--epochs", type=int, help="instead of the comparison's own")
    parser.add_argument("--limit", type=int, help="images of each set, instead of the comparison's own")
    parser.add_argument("--workers", type=int, help="networks trained side by side")
    return parser.parse_args()


def configured(trick: Mapping[str, Any], options: argparse.Namespace) -> TrainConfig:
    """The options of `dlcli train` for a comparison."""
    chosen = {"versus": "baseline", "seeds": 5, **trick}
    chosen |= {name: value for name in ("seeds", "epochs", "limit", "workers") if (value := getattr(options, name)) is not None}
    if chosen["data"] != "digits":
        chosen["data"] = str(options.data / chosen["data"])
    if "surgery" in chosen:
        chosen["surgery"] = (chosen["surgery"],)
    return TrainConfig(**chosen)


def markdown(config: TrainConfig, result: TrainResult) -> str:
    """The comparison and its seeds as two tables."""
    first = f"--with {config.surgery[0]}" if config.surgery else f"--corrupt {config.corrupt}" if config.corrupt else "as it is"
    images = f"{result.n_train:,} training and {result.n_test:,} test images"
    metadata = f"{images}, seeds {result.rows[0].seed} to {result.rows[-1].seed}, {result.device}"
    head = f"**{result.model} on {Path(config.data).name}: {first} against {config.versus}**, {metadata}\n"
    lines = [head, table((f"level {result.level:.3f}", "first", "second", "paired difference, 95%", ""), comparisons(result))]
    return "\n".join([*lines, "", table(("seed", "first", "second", "epochs to fit"), seeds(result)), ""])


def comparisons(result: TrainResult) -> Iterable[tuple[str, ...]]:
    """A row a metric, with the verdict of the primary one, and for the others what their interval alone shows."""
    for one in result.comparisons:
        clear = "excludes 0" if one.difference.established else "holds 0"
        shown = one.verdict if one.metric in image_task("images").primary else clear
        yield one.metric, f"{one.first:.3g}", f"{one.second:.3g}", str(one.difference), shown


def seeds(result: TrainResult) -> Iterable[tuple[str, ...]]:
    """A row a pair: test accuracies with intervals, and the epochs after which training accuracy was 0.99."""
    for seed in dict.fromkeys(row.seed for row in result.rows):
        pair = [row for row in result.rows if row.seed == seed]
        yield str(seed), *(str(row.accuracy) for row in pair), " / ".join(str(row.epochs_to_fit or "not") for row in pair)


if __name__ == "__main__":
    run_script(main)
