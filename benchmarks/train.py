"""Training throughput beside two loops as people write them, in turn in one process: CPU seconds an epoch, and ratios.

`bare` is a hand-written float32 loop over tensors in memory; `loader` the same over a DataLoader whose Dataset applies
ToTensor-like transforms image by image, without workers. dlcli runs as `dlcli train` does (bfloat16 and channels_last where the
CPU is fast in them) and with --precision float32. All use the recipe's optimizer and one thread unless said, and its batch
size unless one stands behind the name.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from dlcli.core.data import open_data
from dlcli.core.model_io.untrained import open_model
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import OPTIMIZERS, Recipe
from dlcli.support.reporter import SILENT

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
CPU = torch.device("cpu")


class Images(Dataset[tuple[Tensor, int]]):
    """Bytes, made into a normalised float tensor one at a time."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = (x * 255).byte(), y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        from PIL import Image
        from torchvision.transforms.functional import normalize, to_tensor

        return normalize(to_tensor(Image.fromarray(self.x[place, 0].numpy())), [0.0], [1.0]), int(self.y[place])


def plain_loop(model: nn.Module, batches: Callable[[], object], recipe: Recipe) -> None:
    """One epoch of forward, backward and step."""
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), lr=recipe.lr, **recipe.options)
    model.train()
    for x, y in batches():
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()


def dlcli_epoch(model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe) -> None:
    """One epoch of the loop that train, attack and adversarial training share."""
    with SILENT.task("") as task:
        Training(model, x, y, recipe, seed=0, device=CPU).run_epoch(task)


def timed(function: Callable[[], None]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    """Print a row for each network and rival."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=str(DATA))
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = open_data(options.data, limit=options.images)
    print(f"{len(data.x_train):,} images, {options.threads} thread(s), median of {options.rounds}; times faster than the rival")
    for name, size in (("lenet", None), ("lenet", 512), ("mnist-net", None)):
        arch, x, y = open_model(name, data), data.x_train, data.y_train
        recipe = replace(arch.recipe, batch_size=size or arch.recipe.batch_size)
        size = recipe.batch_size
        plain = {
            "bare": lambda x=x, y=y, n=size: zip(x.split(n), y.split(n), strict=True),
            "loader": lambda x=x, y=y, n=size: DataLoader(Images(x, y), batch_size=n, shuffle=True),
        }
        runs: dict[str, Callable[[], None]] = {
            **{
                ours: lambda arch=arch, x=x, y=y, how=how: dlcli_epoch(arch.build(), x, y, how)
                for ours, how in (("dlcli", recipe), ("dlcli float32", replace(recipe, dtype="float32")))
            },
            **{
                rival: lambda arch=arch, batches=batches, recipe=recipe: plain_loop(arch.build(), batches, recipe)
                for rival, batches in plain.items()
            },
        }
        for run in runs.values():
            run()
        rounds = [{key: timed(run) for key, run in runs.items()} for _ in range(options.rounds)]
        for ours in ("dlcli", "dlcli float32"):
            for rival in plain:
                ratio = statistics.median(found[rival] / found[ours] for found in rounds)
                seconds = statistics.median(found[ours] for found in rounds)
                print(f"{name} {size}".ljust(14), f"{ours:14} {seconds:6.2f} CPU s   {ratio:5.2f} times {rival}")


if __name__ == "__main__":
    main()
