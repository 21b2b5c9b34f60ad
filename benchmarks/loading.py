"""Training from a folder of JPEGs beside the same loop over torchvision's ImageFolder with workers: seconds, and their ratio.

Both train the same network on the same files with the same optimizer, batch size, threads and precision (float32). dlcli
decodes the folder once, into memory or into its cache, and then reads pixels; ImageFolder decodes in each epoch. Times are
wall-clock, since workers are processes; `whole` counts reading and all epochs, `epoch` is the median epoch after reading.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from dlcli.core.data import open_data
from dlcli.core.training.loop import Training
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

CPU = torch.device("cpu")
CLASSES = 10


def write_pictures(folder: Path, n: int, side: int) -> None:
    """Write `n` training and 100 test pictures of smooth noise, in a folder for each class."""
    source = np.random.default_rng(0)
    for name, count in (("train", n), ("test", 100)):
        for number in range(count):
            place = folder / name / str(number % CLASSES)
            place.mkdir(parents=True, exist_ok=True)
            coarse = source.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(place / f"{number}.jpg", quality=90)


def network() -> nn.Module:
    """A small network, so that loading is a large part of the time."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU()
    second = nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU()
    return nn.Sequential(*first, *second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))


def dlcli_epochs(folder: Path, recipe: Recipe) -> Iterator[float]:
    """The seconds of reading, then those of each epoch, as `dlcli train` runs."""
    start = time.perf_counter()
    data = open_data(str(folder))
    training = Training(network(), data.x_train, data.y_train, recipe, seed=0, device=CPU)
    yield time.perf_counter() - start
    with SILENT.task("") as task:
        while not training.done:
            start = time.perf_counter()
            training.run_epoch(task)
            yield time.perf_counter() - start


def folder_epochs(folder: Path, recipe: Recipe, workers: int) -> Iterator[float]:
    """The same of a plain loop over ImageFolder."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    start = time.perf_counter()
    change = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    images = ImageFolder(str(folder / "train"), change)
    batches = DataLoader(
        images, recipe.batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0, pin_memory=False
    )
    model = network().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=0.9, fused=True)
    yield time.perf_counter() - start
    for _ in range(recipe.epochs):
        start = time.perf_counter()
        for x, y in batches:
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(x.contiguous(memory_format=torch.channels_last)), y).backward()
            optimizer.step()
        yield time.perf_counter() - start


def main() -> None:
    """Print the seconds of both and how many times faster dlcli is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    how = {"options": {"momentum": 0.9}, "dtype": "float32", "threads": options.threads}
    recipe = Recipe(options.epochs, 64, "sgd", 0.01, **how)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_pictures(folder, options.images, options.side)
        ours, theirs = list(dlcli_epochs(folder, recipe)), list(folder_epochs(folder, recipe, options.workers))
    print(f"{options.images:,} JPEGs of {options.side}x{options.side}, {options.epochs} epochs, {options.threads} thread(s)")
    print(f"dlcli        reading {ours[0]:6.1f} s, epoch {statistics.median(ours[1:]):6.2f} s, whole {sum(ours):6.1f} s")
    print(
        f"ImageFolder  reading {theirs[0]:6.1f} s, epoch {statistics.median(theirs[1:]):6.2f} s, whole {sum(theirs):6.1f} s, "
        f"{options.workers} workers"
    )
    epoch = statistics.median(theirs[1:]) / statistics.median(ours[1:])
    print(f"dlcli is {epoch:.2f} times as fast in an epoch, {sum(theirs) / sum(ours):.2f} times as a whole")


if __name__ == "__main__":
    main()
