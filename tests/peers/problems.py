"""The networks and images on which attacks are set beside those of other libraries."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Problem = tuple[nn.Module, Tensor, Tensor]
"""A network in evaluation mode, images and labels."""


def untrained(bounds: tuple[float, float] = (0.0, 1.0), dtype: torch.dtype = torch.float32) -> Problem:
    """Random weights, and 64 random images of 3x9x9."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
        ).eval()
        x = torch.rand(64, 3, 9, 9) * (bounds[1] - bounds[0]) + bounds[0]
        y = torch.randint(0, 10, (64,))
    return model.to(dtype), x.to(dtype), y


@cache
def digits(images: int = 40, dtype: torch.dtype = torch.float32, lift: float = 0.0) -> Problem:
    """A network that knows scikit-learn's digits, and the first images it gets right; `lift` is added to all its logits."""
    found = load_digits()
    x, y = torch.tensor(found.images / 16).unsqueeze(1), torch.tensor(found.target, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)).double()
        fit(model, x, y, rounds=40)
        model[-1].bias.data += lift
    return right(model.to(dtype), x.to(dtype), y, images)


@cache
def mnist(path: Path, images: int = 200) -> Problem:
    """A small convolutional network after two passes over 8,000 images of MNIST, and the first test images it gets right."""
    with np.load(path) as file:
        parts = {name: torch.from_numpy(file[name]) for name in ("x_train", "y_train", "x_test", "y_test")}
    x, y = parts["x_train"][:8000].float().div(255).unsqueeze(1), parts["y_train"][:8000].long()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)
        )
        fit(model, x, y, rounds=2, batch=100)
    return right(model, parts["x_test"][:400].float().div(255).unsqueeze(1), parts["y_test"][:400].long(), images)


def fit(model: nn.Module, x: Tensor, y: Tensor, *, rounds: int, batch: int | None = None) -> None:
    """Adam on the cross-entropy, in batches in the order of the images."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02 if batch is None else 0.003)
    for _ in range(rounds):
        for images, labels in zip(x.split(batch or len(x)), y.split(batch or len(x)), strict=True):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(images), labels).backward()
            optimizer.step()


def right(model: nn.Module, x: Tensor, y: Tensor, images: int) -> Problem:
    """The network as it is attacked, and the first images that it gets right."""
    model.eval().requires_grad_(False)
    place = (model(x).argmax(1) == y).nonzero()[:images, 0]
    return model, x[place], y[place]
