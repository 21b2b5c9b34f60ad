"""How many of the first suspects are labels that were flipped on purpose, as Markdown; beside cleanlab where it is installed.

python examples/label_errors.py mnist.npz -o labels.md
"""

import argparse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from _page import page_options, run_script, table, today, write_page

from dlcli.core.compute.device import choose_device, describe_device
from dlcli.core.data import open_data
from dlcli.core.data.base import Split, choose
from dlcli.core.evaluation.label_errors import label_errors
from dlcli.core.proportion import proportion
from dlcli.engines.train.job import open_job
from dlcli.engines.train.suspects import predicted_out_of_fold
from dlcli.specs.figures import percent
from dlcli.specs.train import TrainConfig
from dlcli.support.reporter import SILENT

RATES = (0.0, 0.05, 0.1)
DEPTHS = (50, 100, 200)


def main() -> None:
    """Flip labels, train by folds, and print or write the Markdown."""
    parser = page_options(__doc__)
    parser.add_argument("data", help="as of --data of dlcli train")
    parser.add_argument("--limit", type=int, default=5000, help="training images (default: 5000)")
    parser.add_argument("--model", default="lenet", help="as of --model of dlcli train (default: lenet)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of each network (default: 5)")
    parser.add_argument("--folds", type=int, default=5, help="number of folds (default: 5)")
    options = parser.parse_args()
    ranks, counts = [], []
    for rate in RATES:
        p, labels, wrong = flipped(options, rate)
        found = label_errors(p, labels)
        if rate:
            for name, order in {"dlcli": found.indices, **dict(by_cleanlab(p, labels))}.items():
                first = (at(wrong, order, n) for n in DEPTHS)
                ranks.append([f"{rate:.0%}", name, f"{len(order):,}", *first, recall(wrong, order)])
        truly = int((~wrong[found.indices]).sum())
        figures = (len(found.indices), truly, round(found.right), int(wrong.sum()), round(found.estimated))
        counts.append([f"{rate:.0%}", *map(str, figures)])
    head = ["flipped", "suspects", "of these right", "expected right", "wrong labels", "estimated wrong"]
    first = [f"wrong of the first {n}, %" for n in DEPTHS]
    facts = f"{Path(options.data).name}, {len(labels):,} training images, {options.model}, {options.epochs} epochs"
    parts = [
        table(["flipped", "", "suspects", *first, "flips found, %"], ranks),
        table(head, counts),
        f"Measured on {today()}: {facts}, {options.folds} folds, seed {options.seed}, {describe_device(choose_device('cpu'))}.",
    ]
    write_page("\n\n".join(parts) + "\n", options.output)


def flipped(options: argparse.Namespace, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions out of fold for labels of which a share is flipped, these labels, and which are flipped."""
    config = TrainConfig(
        data=options.data, model=options.model, epochs=options.epochs, suspects=options.folds, seed=options.seed, device="cpu"
    )
    data = open_data(options.data)
    train = data.splits["train"].take(choose(data.y_train.numpy(), options.limit))
    source, labels, k = np.random.default_rng(options.seed), train.y.numpy().copy(), len(data.classes)
    chosen = source.choice(len(labels), round(rate * len(labels)), replace=False)
    labels[chosen] = (labels[chosen] + source.integers(1, k, len(chosen))) % k
    sets = {**data.splits, "train": Split(train.x, torch.from_numpy(labels), train.metadata)}
    log_p = predicted_out_of_fold(open_job(config, data.with_splits(sets), choose_device("cpu"), options.seed), SILENT)
    if log_p is None:
        raise KeyboardInterrupt
    return np.exp(log_p), labels, np.isin(np.arange(len(labels)), chosen)


def at(wrong: np.ndarray, order: np.ndarray, n: int) -> str:
    """The share of the first suspects that were flipped."""
    first = wrong[order[:n]]
    return percent(proportion(float(first.sum()), len(first))) if len(first) == n else "–"


def recall(wrong: np.ndarray, order: np.ndarray) -> str:
    """The share of flips among all suspects."""
    return percent(proportion(float(wrong[order].sum()), int(wrong.sum())))


def by_cleanlab(p: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The suspects of cleanlab by two of its filters, ranked by the same margin."""
    if find_spec("cleanlab") is None:
        return
    from cleanlab.filter import find_label_issues

    for name in ("prune_by_noise_rate", "confident_learning"):
        yield (
            f"cleanlab, {name}",
            find_label_issues(labels, p, return_indices_ranked_by="normalized_margin", filter_by=name, n_jobs=1),
        )


if __name__ == "__main__":
    run_script(main)
