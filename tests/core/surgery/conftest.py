"""One sample for the small networks, and weights that are the same in every run."""

import pytest
import torch


@pytest.fixture
def sample():
    return torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
