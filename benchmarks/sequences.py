"""Training speed on sequences beside a plain loop of PyTorch, in turn in one process: CPU seconds an epoch, and their ratio.

python benchmarks/sequences.py --rounds 8

The loop takes the same network, batches without padding, optimizer and clipping of gradients, in float32 on one thread; dlcli
trains as `dlcli train digits --task sequence` does. The order alternates from round to round.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.data.base import ImageData
from dlcli.core.data.sequences import open_sequences
from dlcli.core.data.sequences.base import SequenceOptions
from dlcli.core.model_io.untrained import open_model
from dlcli.core.models.causal_stacks import Gru, Tcn, WaveNet
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import OPTIMIZERS, Recipe
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
PLAIN: dict[str, Callable[[], nn.Module]] = {
    "tcn": lambda: Tcn(1, 10, 4, 24),
    "wavenet": lambda: WaveNet(1, 10, 5, 24),
    "gru": lambda: Gru(1, 10, 1, 56),
}


class Speed(NamedTuple):
    """CPU seconds an epoch of dlcli and of the loop, and the median ratio of the loop to dlcli: above 1, dlcli is faster."""

    dlcli: float
    loop: float
    ratio: float


def plain_epoch(model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe) -> None:
    """One epoch of forward, backward, clipping and step, of the last output."""
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), lr=recipe.lr)
    model.train()
    for picked in torch.randperm(len(x)).split(recipe.batch_size):
        optimizer.zero_grad()
        outputs = model(x[picked])
        cross_entropy(outputs.mean(2) if isinstance(model, WaveNet) else outputs[:, :, -1], y[picked]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm or 1.0)
        optimizer.step()


def measured(name: str, data: ImageData, rounds: int) -> Speed:
    """The two in turn."""
    arch = open_model(name, data)
    training = Training(arch.build(), data.x_train, data.y_train, arch.recipe, seed=0, device=CPU)
    model = PLAIN[name]()

    def ours() -> None:
        training.epoch = 0
        with SILENT.task("") as task:
            training.run_epoch(task)

    def loop() -> None:
        plain_epoch(model, data.x_train, data.y_train, arch.recipe)

    both = {"dlcli": ours, "loop": loop}
    found: dict[str, list[float]] = {key: [] for key in both}
    for k in range(rounds + 1):
        for key in list(both)[:: -1 if k % 2 else 1]:
            start = time.process_time()
            both[key]()
            found[key].append(time.process_time() - start)
    warm = {key: times[1:] for key, times in found.items()}
    ratio = statistics.median(b / a for a, b in zip(warm["dlcli"], warm["loop"], strict=True))
    return Speed(statistics.median(warm["dlcli"]), statistics.median(warm["loop"]), ratio)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="epochs of each (default: 8)")
    parser.add_argument("--models", nargs="+", default=list(PLAIN), choices=list(PLAIN))
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = open_sequences("digits", SequenceOptions())
    print("| network | dlcli, CPU s an epoch | plain loop | speed, loop = 1 |\n| --- | --- | --- | --- |")
    for name in options.models:
        speed = measured(name, data, options.rounds)
        print(f"| {name} | {speed.dlcli:.3f} | {speed.loop:.3f} | {speed.ratio:.3f} |")


if __name__ == "__main__":
    main()
