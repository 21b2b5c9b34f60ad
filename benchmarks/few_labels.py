"""What a step of the generative model M2 costs with a drawn class and with the sum over all classes, in CPU seconds.

python benchmarks/few_labels.py --classes 10 100

A step takes 100 labelled and 100 unlabelled images of 28x28 pixels; the classifier has two hidden layers of 400 with batch
normalisation. Both ways alternate in rounds, and a ratio has Student's t interval over rounds.
"""

import argparse
import time
from datetime import date
from statistics import fmean

import torch
from torch import nn

from dlcli.core.semi_supervised.base import SemiSettings
from dlcli.core.semi_supervised.methods import SEMI_SUPERVISED
from dlcli.core.semi_supervised.training import SemiTraining
from dlcli.core.stats import mean_difference
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

BATCH, SIDE = 100, 28
METHODS = ("gumbel-softmax", "gumbel-st", "marginal")


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", nargs="+", type=int, default=[10, 100], help="numbers of classes (default: 10 100)")
    parser.add_argument("--steps", type=int, default=10, help="steps of a round (default: 10)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{date.today()}, torch {torch.__version__}, 1 thread, {options.rounds} rounds of {options.steps} steps\n")
    print("| classes | " + " | ".join(f"{name}, ms" for name in METHODS) + " | marginal / gumbel-softmax |")
    print("| --- " * (len(METHODS) + 2) + "|")
    for classes in options.classes:
        print(row(classes, options.steps, options.rounds))


def row(classes: int, steps: int, rounds: int) -> str:
    """The mean CPU time of a step of each method, and the ratio of two."""
    trainings = {name: opened(name, classes, steps) for name in METHODS}
    spent: dict[str, list[float]] = {name: [] for name in METHODS}
    for _ in range(rounds + 1):
        for name, training in trainings.items():
            spent[name].append(seconds(training) / steps)
    times = {name: each[1:] for name, each in spent.items()}  # the first round allocates memory
    ratios = [slow / fast for slow, fast in zip(times["marginal"], times["gumbel-softmax"], strict=True)]
    ratio = mean_difference(ratios)
    means = " | ".join(f"{1000 * fmean(times[name]):.1f}" for name in METHODS)
    return f"| {classes} | {means} | {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] |"


def opened(name: str, classes: int, steps: int) -> SemiTraining:
    """A training on noise, which costs what one on images does; an epoch is a round."""
    torch.manual_seed(0)
    hidden = [[nn.Linear(n, 400), nn.BatchNorm1d(400), nn.ReLU()] for n in (SIDE * SIDE, 400)]
    x = torch.rand(2 * BATCH, 1, SIDE, SIDE)
    return SemiTraining(
        nn.Sequential(nn.Flatten(), *hidden[0], *hidden[1], nn.Linear(400, classes)),
        x[:BATCH],
        torch.arange(BATCH) % classes,
        Recipe(epochs=steps, batch_size=BATCH, optimizer="adam", lr=1e-4, dtype="float32", steps=steps),
        method=SEMI_SUPERVISED.module(name).method(SemiSettings()),
        unlabelled=x[BATCH:],
        classes=classes,
        ratio=1,
        seed=0,
        device=torch.device("cpu"),
        hooks=Hooks(),
    )


def seconds(training: SemiTraining) -> float:
    """CPU seconds of a round."""
    with SILENT.task("", 1) as task:
        started = time.process_time()
        training.run_epoch(task)
        return time.process_time() - started


if __name__ == "__main__":
    main()
