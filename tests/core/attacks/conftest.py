"""A small network trained on the digits by plain PyTorch, so that these tests need nothing but the attacks."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Trained = tuple[nn.Module, Tensor, Tensor]


@pytest.fixture(scope="session")
def trained() -> Trained:
    """A network with convolution, normalisation and dropout, and the images (1797, 1, 8, 8) and labels it knows."""
    found = load_digits()
    x = torch.tensor(found.images / 16, dtype=torch.float32).unsqueeze(1)
    y = torch.tensor(found.target, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(288, 10)
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(40):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(x), y).backward()
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    model.eval()
    return model, x, y
