"""FGSM beside foolbox's, on the same network, images and eps."""

import pytest
import torch
from torch import nn

from dlcli.core.attacks.fgsm import ATTACK

pytestmark = pytest.mark.peers
foolbox = pytest.importorskip("foolbox")


@pytest.mark.parametrize("eps", [0.0, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-2.0, 3.0)])
def test_fgsm_equals_foolbox(eps: float, bounds: tuple[float, float]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
        ).eval()
        x = torch.rand(64, 3, 9, 9) * (bounds[1] - bounds[0]) + bounds[0]
        y = torch.randint(0, 10, (64,))
    peer = foolbox.attacks.LinfFastGradientAttack()
    _, theirs, _ = peer(foolbox.PyTorchModel(model, bounds=bounds, device="cpu"), x, y, epsilons=eps)
    ours = ATTACK(model, x, y, eps=eps, bounds=bounds, batch_size=64)
    assert float((ours - theirs).abs().max()) <= 1e-6
