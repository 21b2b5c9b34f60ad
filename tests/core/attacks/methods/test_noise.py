"""The control."""

import torch
from torch import nn

from dlcli.core.attacks.methods.noise import ATTACK


def test_signs_are_fair_and_differ_by_seed() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(100, 2))
    x, y = torch.full((400, 1, 10, 10), 0.5), torch.zeros(400, dtype=torch.int64)
    up = ATTACK(model, x, y, eps=0.1, seed=1) > x
    # 40,000 fair coins: five standard deviations are 0.0125.
    assert abs(float(up.double().mean()) - 0.5) < 0.0125
    agreement = float((up == (ATTACK(model, x, y, eps=0.1, seed=2) > x)).double().mean())
    assert abs(agreement - 0.5) < 0.0125
