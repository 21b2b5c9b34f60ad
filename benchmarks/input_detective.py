"""In how many of 12 networks x 8 wrong feedings does the search for the right one name it? How often is it wrong on right ones?

Ten networks of the zoo are trained briefly, each behind another normalisation, on digits and on parts of MNIST and CIFAR-10;
two have published weights. `--data` is a folder with mnist.npz, cifar10_subset.npz, images/imagenet and weights; `--keep`
stores what was trained. Labels decide for the networks without batch normalisation.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from dlcli.core.data import open_data
from dlcli.core.data.base import choose
from dlcli.core.evaluation.input_detective import diagnose_input, images_needed, swapped
from dlcli.core.layers.normalise import normalised, without_normalisation
from dlcli.core.models import MODELS
from dlcli.core.training.loop import train
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT

TRAINED = (
    ("digits", "digits-net", "none", 15),
    ("digits", "digits-net", "0-255", 15),
    ("digits", "cifar-resnet-8", "mnist", 8),
    ("mnist", "lenet", "mnist", 2),
    ("mnist", "lenet", "none", 2),
    ("mnist", "tiny-darknet", "0.5/0.5", 1),
    ("cifar", "cifar-resnet-8", "none", 4),
    ("cifar", "tiny-darknet", "0-255:bgr", 4),
    ("cifar", "tiny-darknet", "imagenet", 4),
    ("cifar", "digits-net", "0.5/0.5", 6),
)
"""Data, network, right feeding, epochs."""
GREY = ("none", "0-255", "mnist", "0.5/0.5", "0.449/0.226", "0.5/0.25", "0.9/0.5", "128/1", "0.2/0.9")
COLOUR = ("none", "0-255", "imagenet", "0.5/0.5", "123.68,116.779,103.939/1", "0.1307/0.3081", "0.3/0.5")
RECIPE = Recipe(epochs=1, batch_size=64, optimizer="adam", lr=2e-3, schedule="cosine", dtype="float32")
EXAMPLES = 6000


class Sets(NamedTuple):
    """Images (n, c, h, w) in [0, 1] and labels, to train on and to look at."""

    x_train: Tensor
    y_train: Tensor
    x: Tensor
    y: Tensor


class Case(NamedTuple):
    """A trained network, its right feeding, and images with labels."""

    name: str
    right: str
    model: nn.Module
    x: Tensor
    y: Tensor


def main() -> None:
    """A row a network, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{datetime.now(UTC):%Y-%m-%d}, seed 0, torch {torch.__version__}")
    named = alarms = cases = 0
    for case in networks(options.data, options.keep):
        found, alarm = row(case)
        named, alarms, cases = named + found, alarms + alarm, cases + 8
    print(f"named {named} of {cases}, alarms on right feedings {alarms} of {cases // 8}")


def row(case: Case) -> tuple[int, bool]:
    """How many wrong feedings of a network lead to the right one, and whether the right one raises an alarm."""
    n = images_needed(case.model, case.x.shape[2] * case.x.shape[3])
    picked = torch.from_numpy(choose(case.y.numpy(), n))
    x, y = case.x[picked], case.y[picked]
    alarm = diagnose_input(normalised(case.model, case.right), x, y).sure
    missed = []
    for name in wrong(case.right, x.shape[1]):
        found = diagnose_input(normalised(case.model, name), x, y)
        if not (found.sure and found.best == case.right):
            missed.append(f"{name}: {found.best if found.sure else 'no alarm'}")
    print(
        f"{case.name:24} {case.right:10} n {len(x):3}  {8 - len(missed)} of 8  alarm {alarm}  {'; '.join(missed)}", flush=True
    )
    return 8 - len(missed), alarm


def wrong(right: str, channels: int) -> list[str]:
    """Eight feedings that are not the right one."""
    if channels == 1:
        return [name for name in GREY if name != right][:8]
    other = swapped("0.5/0.5" if right != "0.5/0.5" else "none")
    return ([name for name in COLOUR if name != right] + [swapped(right), other])[:8]


def networks(data: Path, keep: Path) -> Iterator[Case]:
    """The twelve networks."""
    for number, (name, network, right, epochs) in enumerate(TRAINED):
        sets = read(name, data)
        yield Case(f"{network} on {name}", right, trained(number, network, right, epochs, sets, keep), sets.x, sets.y)
    sets = read("cifar", data)
    yield Case("ResNet-20 on cifar", "imagenet", resnet20(data / "weights/cifar10_resnet20.pth"), sets.x, sets.y)
    from torchvision.models import squeezenet1_1

    squeezenet = squeezenet1_1()
    squeezenet.load_state_dict(torch.load(data / "weights/squeezenet1_1_imagenet.pth", weights_only=True))
    yield Case("SqueezeNet on photographs", "imagenet", squeezenet.eval(), *photographs(data / "images/imagenet"))


def read(name: str, data: Path) -> Sets:
    """The sets called `name`."""
    if name == "digits":
        found = open_data("digits")
        return Sets(found.x_train, found.y_train, found.x_test, found.y_test)
    arrays = np.load(data / {"mnist": "mnist.npz", "cifar": "cifar10_subset.npz"}[name])
    both = []
    for part in ("train", "test"):
        x = torch.from_numpy(arrays[f"x_{part}"][:EXAMPLES].astype(np.float32) / 255)
        both.append(x[:, None] if x.dim() == 3 else x.permute(0, 3, 1, 2).contiguous())
        both.append(torch.from_numpy(arrays[f"y_{part}"][:EXAMPLES].astype(np.int64)).reshape(-1))
    return Sets(*both)


def trained(number: int, network: str, right: str, epochs: int, sets: Sets, keep: Path) -> nn.Module:
    """A network trained behind its right feeding, or as it was kept."""
    family, _, depth = network.rpartition("-") if network not in MODELS.names() else (network, "", "")
    torch.manual_seed(number)
    built = MODELS.module(family).build(
        sets.x.shape[1], tuple(sets.x.shape[2:]), 10, **({"depth": int(depth)} if depth else {})
    )
    model, file = normalised(built, right), keep / f"net{number}.pt"
    if file.exists():
        model.load_state_dict(torch.load(file, weights_only=True))
    else:
        with SILENT.task(network) as task:
            recipe, cpu = replace(RECIPE, epochs=epochs), torch.device("cpu")
            train(model, sets.x_train, sets.y_train, recipe, seed=number, device=cpu, task=task)
        keep.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), file)
    return without_normalisation(model).eval()


def resnet20(file: Path) -> nn.Module:
    """The network of the published CIFAR-10 weights: cifar-resnet-20 without its preprocessing."""
    model = MODELS.module("cifar-resnet").build(3, (32, 32), 10, depth=20)
    model.mean.zero_()
    model.deviation.fill_(1)
    state, own = torch.load(file, map_location="cpu", weights_only=True), model.state_dict()
    state = state.get("state_dict", state)
    kept = [key for key in own if not key.endswith(("num_batches_tracked", "mean", "deviation")) or "running" in key]
    theirs = [tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")]
    model.load_state_dict(dict(zip(kept, theirs, strict=True)), strict=False)
    return model.eval()


def photographs(folder: Path) -> tuple[Tensor, Tensor]:
    """The centres of photographs, (n, 3, 224, 224), and their classes."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = []
    for one in rows:
        image = Image.open(folder / one["file"]).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BILINEAR)
        found.append(torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1))
    return torch.stack(found).float() / 255, torch.tensor([int(one["class_index"]) for one in rows])


if __name__ == "__main__":
    main()
