"""Members of an ensemble by `dlcli ensemble` beside a loop as people write it, in turn: images a second of the wall clock.

Both read MNIST, give every member a random 10% of the training images, train LeNet on it and judge it on the test images;
everything is counted. There are two LeNets: the narrow one of 1998, whose 6 and 16 channels bfloat16 hardly helps, and the one
of 20 and 50 channels that Caffe made known. The plain loop trains one member after the other in float32 with torch's own number
of threads; dlcli as `dlcli ensemble --chunk 0.1` does. The ratio is the median over rounds; accuracies are means over members
with the interval of their paired difference, member by member. Run it with nothing else running: here the clock counts, not
the processor.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dlcli.core.models.base import GENERAL_RECIPE
from dlcli.core.models.zoo import lenet
from dlcli.core.stats import mean_difference
from dlcli.engines import ensemble
from dlcli.specs.ensemble import EnsembleConfig

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
SHARE = 0.1
RECIPE = GENERAL_RECIPE
"""How both train: as dlcli does what comes from a file, Adam with a cosine schedule."""


def narrow_lenet() -> nn.Module:
    """LeNet-5, 6 and 16 channels."""
    return lenet.build(1, (28, 28), 10)


def wide_lenet() -> nn.Module:
    """Caffe's LeNet: 20 and 50 channels, then 500 units."""
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
    )


NETWORKS = {"narrow": narrow_lenet, "wide": wide_lenet}


def dlcli(network: str, path: str, members: int, epochs: int, seed: int) -> list[float]:
    """The members' test accuracies."""
    config = EnsembleConfig(
        data=path,
        model=(f"{__file__}:{NETWORKS[network].__name__}",),
        members=members,
        chunk=SHARE,
        epochs=epochs,
        seed=seed,
        device="cpu",
    )
    return [one.accuracy.value for one in ensemble.run(config).members]


def plain(network: str, path: str, members: int, epochs: int, seed: int) -> list[float]:
    """The same by a loop of tensors in memory."""
    with np.load(path) as arrays:
        x, y = torch.from_numpy(arrays["x_train"])[:, None].float() / 255, torch.from_numpy(arrays["y_train"]).long()
        tests = torch.from_numpy(arrays["x_test"])[:, None].float() / 255, torch.from_numpy(arrays["y_test"]).long()
    accuracies = []
    for number in range(members):
        torch.manual_seed(1000 * seed + number)
        chosen = torch.randperm(len(x))[: round(SHARE * len(x))]
        model = NETWORKS[network]()
        optimizer = torch.optim.Adam(model.parameters(), lr=RECIPE.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * -(-len(chosen) // RECIPE.batch_size))
        for _ in range(epochs):
            for picked in chosen[torch.randperm(len(chosen))].split(RECIPE.batch_size):
                optimizer.zero_grad()
                cross_entropy(model(x[picked]), y[picked]).backward()
                optimizer.step()
                schedule.step()
        model.eval()
        with torch.no_grad():
            right = torch.cat([model(part).argmax(1) for part in tests[0].split(256)]) == tests[1]
        accuracies.append(float(right.double().mean()))
    return accuracies


def compare(network: str, options: argparse.Namespace) -> None:
    """Print a row for each way, and the ratio."""
    size, found = options.members, {"dlcli": [], "plain": []}
    rates: dict[str, list[float]] = {"dlcli": [], "plain": []}
    for round_ in range(options.rounds):
        for name, way in (("dlcli", dlcli), ("plain", plain)):
            started = time.perf_counter()
            found[name] += way(network, options.data, size, options.epochs, round_)
            rates[name].append(round(SHARE * 60_000) * size * options.epochs / (time.perf_counter() - started))
    print(f"{size} {network} LeNets, {options.epochs} epochs each")
    for name, each in rates.items():
        print(f"{name:6} {statistics.median(each):8,.0f} images/s   mean test accuracy {statistics.fmean(found[name]):.4f}")
    ratio = statistics.median(a / b for a, b in zip(rates["dlcli"], rates["plain"], strict=True))
    gap = mean_difference([a - b for a, b in zip(found["dlcli"], found["plain"], strict=True)])
    print(f"ratio {ratio:.2f}; accuracy, dlcli minus plain: {gap}")


def main() -> None:
    """Compare network by network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(DATA))
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=NETWORKS)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, torch {torch.__version__}")
    for network in NETWORKS:
        if options.only in (None, network):
            compare(network, options)


if __name__ == "__main__":
    main()
