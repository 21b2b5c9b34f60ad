"""The learning rate of every step beside torch's own schedulers."""

import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from dlcli.core.training.recipe import Recipe
from dlcli.core.training.schedule import Plateau
from dlcli.specs.schedule import parse_schedule
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


@pytest.mark.parametrize("warmup", [0.0, 1.0])
@pytest.mark.parametrize(("schedule", "every", "factor"), [("step:1", 1, 0.1), ("step:2:0.5", 2, 0.5)])
def test_steps_are_those_of_torch(schedule: str, every: int, factor: float, warmup: float):
    rising = round(warmup * STEPS)

    def build(optimizer: torch.optim.Optimizer) -> LRScheduler:
        falling = StepLR(optimizer, every * STEPS, gamma=factor)
        if not rising:
            return falling
        first = LinearLR(optimizer, start_factor=1 / rising, total_iters=rising - 1)
        return SequentialLR(optimizer, [first, falling], [rising])

    assert rates(schedule, warmup=warmup) == pytest.approx(of_torch(build), rel=1e-9)


def test_a_step_without_a_number_falls_after_each_third():
    found = rates("step")
    assert [found.count(pytest.approx(LR * factor)) for factor in (1, 0.1, 0.01)] == [7, 7, 6]
    assert found == sorted(found, reverse=True)


def test_one_cycle_is_that_of_torch():
    def build(optimizer: torch.optim.Optimizer) -> LRScheduler:
        return OneCycleLR(optimizer, LR, total_steps=EPOCHS * STEPS + 1, cycle_momentum=False)

    # One step longer, for torch refuses to step past its last rate.
    recipe = Recipe(1, 8, "sgd", LR, schedule="onecycle")
    found = [recipe.lr_at(0, step, EPOCHS * STEPS + 1) for step in range(EPOCHS * STEPS)]
    assert found == pytest.approx(of_torch(build), rel=1e-9)


def test_a_plateau_is_that_of_torch_also_when_continued():
    losses = [1.0, 0.9, 0.95, 0.91, 0.9, 0.85, 0.86, 0.87, 0.88, 0.89, 0.84]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    found = Plateau(parse_schedule("plateau:2:0.5"))
    for loss in losses:
        scheduler.step(loss)
        found.see(loss)
        again = Plateau(parse_schedule("plateau:2:0.5"))
        again.load(found.state())
        found = again
        assert LR * found.factor == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert found.factor == 0.25


@pytest.mark.parametrize(
    "text",
    ["", "steps", "cosine:3", "step:0", "step:1.5", "step:-1", "step:3:1", "step:3:0", "step:3:x", "step:3:0.1:2", "step:"],
)
def test_what_is_no_schedule(text: str):
    with pytest.raises(ValueError, match="is not|is a whole number|is above 0"):
        parse_schedule(text)
    with pytest.raises(UsageError, match="recipe: schedule"):
        rates(text)


def test_no_warm_up_leaves_the_schedule_as_it_is():
    assert rates("cosine") == pytest.approx(of_torch(lambda optimizer: CosineAnnealingLR(optimizer, EPOCHS * STEPS)))
    assert rates("constant") == [LR] * EPOCHS * STEPS


@pytest.mark.parametrize("changes", [{"warmup": 4.0}, {"warmup": -1.0}, {"weight_decay": -1.0}, {"weight_decay": float("inf")}])
def test_recipes_that_cannot_be(changes: dict[str, float]):
    with pytest.raises(UsageError, match="recipe"):
        rates("cosine", **changes)
