"""The learning rate of every step beside torch's own schedulers."""

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from dlcli.core.training.recipe import Recipe
from dlcli.support.errors import UsageError

EPOCHS, STEPS, LR = 4, 5, 0.2


def rates(schedule: str, **changes: float) -> list[float]:
    recipe = Recipe(EPOCHS, 8, "sgd", LR, schedule=schedule, **changes)
    return [recipe.lr_at(epoch, step, STEPS) for epoch in range(EPOCHS) for step in range(STEPS)]


def of_torch(build: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler: LRScheduler = build(optimizer)
    found = []
    for _ in range(EPOCHS * STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("warmup", [0.4, 1.0, 2.4, 3.8])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_warm_up_then_the_schedule_as_torch_chains_them(warmup: float, schedule: str):
    rising = round(warmup * STEPS)

    def build(optimizer: torch.optim.Optimizer) -> LRScheduler:
        first = LinearLR(optimizer, start_factor=1 / rising, total_iters=rising - 1)
        rest = EPOCHS * STEPS - rising
        after = CosineAnnealingLR(optimizer, rest) if schedule == "cosine" else LinearLR(optimizer, start_factor=1)
        return SequentialLR(optimizer, [first, after], [rising])

    assert rates(schedule, warmup=warmup) == pytest.approx(of_torch(build), rel=1e-9)


def test_no_warm_up_leaves_the_schedule_as_it_is():
    assert rates("cosine") == pytest.approx(of_torch(lambda optimizer: CosineAnnealingLR(optimizer, EPOCHS * STEPS)))
    assert rates("constant") == [LR] * EPOCHS * STEPS


@pytest.mark.parametrize("changes", [{"warmup": 4.0}, {"warmup": -1.0}, {"weight_decay": -1.0}, {"weight_decay": float("inf")}])
def test_recipes_that_cannot_be(changes: dict[str, float]):
    with pytest.raises(UsageError, match="recipe"):
        rates("cosine", **changes)
