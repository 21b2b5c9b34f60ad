"""Attacks without gradients beside foolbox's: they draw at random, so it is the strength at equal cost that must agree."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks import load_attack
from dlcli.core.compute.rng import generator

pytestmark = pytest.mark.peers
foolbox = pytest.importorskip("foolbox")
datasets = pytest.importorskip("sklearn.datasets")

Problem = tuple[nn.Module, Tensor, Tensor]


@pytest.fixture(scope="module")
def problem() -> Problem:
    """A network that knows the digits, and 40 images it gets right."""
    found = datasets.load_digits()
    x, y = torch.tensor(found.images / 16, dtype=torch.float32)[:, None], torch.tensor(found.target)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(100):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
    model.eval().requires_grad_(False)
    right = (model(x).argmax(1) == y).nonzero()[:40, 0]
    return model, x[right], y[right]


def test_hopskipjump_finds_images_as_near_as_foolbox(problem: Problem) -> None:
    model, x, y = problem
    torch.manual_seed(0)
    # In linf alone: in l2 foolbox divides the step by the norm of the whole batch, and is weaker.
    peer = foolbox.attacks.HopSkipJumpAttack(steps=12, constraint="linf")
    theirs = peer.run(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, foolbox.criteria.Misclassification(y))
    ours = load_attack("hopskipjump").with_options(steps=12, queries=10_000).nearest(model, x, y, norm="linf")
    ratio = ours.norms / (theirs - x).flatten(1).abs().amax(1)
    assert bool(ours.success.all())
    assert 0.85 < float(ratio.median()) < 1.15


def test_genetic_reaches_as_many_targets_as_foolbox(problem: Problem) -> None:
    model, x, y = problem
    torch.manual_seed(0)
    aims = torch.randint(1, 10, (40,), generator=generator(2))
    targets, eps, generations = (y + aims) % 10, 0.15, 150
    aim = foolbox.criteria.TargetedMisclassification(targets)
    np.random.seed(0)  # noqa: NPY002 - foolbox draws from the global state
    peer = foolbox.attacks.GenAttack(steps=generations, population=6)
    theirs = peer.run(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, aim, epsilon=eps)
    attack = load_attack("genetic").with_options(queries=5 * generations, population=6)
    ours = attack(model, x, y, eps=eps, targets=targets)
    reached = [int((model(images).argmax(1) == targets).sum()) for images in (ours, theirs)]
    assert 8 < reached[1] < 36
    # Two standard errors of the difference of two shares of 40 are at most 9 images.
    assert abs(reached[0] - reached[1]) <= 9
