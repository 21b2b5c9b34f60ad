"""The networks and images that the sections share; without files they come from scikit-learn's digits."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import preserved
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData
from dlcli.core.model_io.trained import open_trained
from dlcli.core.model_io.untrained import open_model
from dlcli.core.training.loop import Training, train
from dlcli.support.reporter import SILENT

from .setup import CPU, Setup

DIGITS = "digits"


@dataclass(frozen=True)
class Classifier:
    """A trained network in evaluation mode on the CPU, and test images (n, c, h, w) with labels (n,); `note` names them."""

    model: nn.Module
    x: Tensor
    y: Tensor
    note: str


@cache
def images(path: Path | None) -> ImageData:
    """The images in the file, or the digits."""
    return open_data(DIGITS if path is None else str(path))


def classifier(setup: Setup, n: int) -> Classifier:
    """A network that classifies better than chance, and `n` images: ResNet-20 on CIFAR-10 if the files are there."""
    path, weights = setup.file("cifar10_subset.npz"), setup.file("cifar10_resnet20.pth")
    if path is not None and weights is not None:
        data, n = images(path), min(n, 50) if setup.small else n  # such an image costs a hundred times as much as a digit
        model = open_trained(str(weights), data, arch="cifar-resnet-20", device=CPU).model
        return Classifier(model, to_float(data.x_test[:n]), data.y_test[:n], f"{weights.name} on {len(data.x_test[:n])} images")
    data = images(None)
    x, y = torch.cat([data.x_test, data.x_train])[:n], torch.cat([data.y_test, data.y_train])[:n]
    return Classifier(_digits_classifier(), x, y, f"digits-net after 3 epochs on {len(x)} digits")


@cache
def _digits_classifier() -> nn.Module:
    data = images(None)
    arch = open_model("digits-net", data)
    model = seeded(arch.build)
    recipe = replace(arch.recipe, epochs=3, dtype="float32")
    with SILENT.task("") as task:
        train(model, data.x_train, data.y_train, recipe, seed=0, device=CPU, task=task)
    return model


def seeded(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network whose random weights come from `seed`; the global random state stays as it is."""
    with preserved():
        torch.manual_seed(seed)
        return build()


def epoch(training: Training) -> float:
    """Train for one epoch; its mean loss."""
    with SILENT.task("") as task:
        return training.run_epoch(task) or 0.0


def without_dropout(model: nn.Module) -> nn.Module:
    """`model` with the probability of every dropout set to 0: a GPU draws other masks than a CPU."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def on(model: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy on a device in a type; `model` stays."""
    return copy.deepcopy(model).to(device, dtype)


def weights_of(model: nn.Module) -> Tensor:
    """All parameters in one vector of float64 on the CPU."""
    return torch.cat([parameter.detach().double().cpu().reshape(-1) for parameter in model.parameters()])


def relative(found: Tensor, wanted: Tensor) -> float:
    """||found - wanted|| / ||wanted||."""
    found, wanted = found.double().cpu(), wanted.double().cpu()
    return float((found - wanted).norm() / wanted.norm())
