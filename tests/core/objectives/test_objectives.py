"""Losses of scores against closed forms, loops and each other."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.objectives import OBJECTIVES
from dlcli.core.objectives.base import ScoreObjective, TrainingScores, Votes, restored, votes_of_ratings
from dlcli.specs.masks import MASK_LOSSES
from dlcli.specs.scores import losses
from dlcli.support.errors import UsageError

Y = torch.tensor([0.0, 3.0, 1.0, 4.0, 4.0, 0.0])
"""Without level 2."""


def objective(name: str, y: torch.Tensor = Y, delta: float = 1.0) -> ScoreObjective:
    return OBJECTIVES.module(name).OBJECTIVE.of(TrainingScores(y.numpy().astype(np.float64), delta))


def outputs(found: ScoreObjective, n: int = len(Y), *, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(n, len(found.outputs), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_every_loss_but_that_of_classes_is_one_of_scores():
    assert set(losses()) == {"ce", "corn", "emd", "huber", "mae", "mse", "ranking"}
    assert set(MASK_LOSSES) < set(OBJECTIVES.names())


@pytest.mark.parametrize("name", losses())
def test_an_objective_is_the_same_after_it_was_written_down(name: str):
    found = objective(name)
    again = restored(OBJECTIVES.module(name).OBJECTIVE, found.to_json())
    x = outputs(found)
    assert again == found
    assert torch.equal(again.value(x), found.value(x))
    with pytest.raises(TypeError):
        restored(OBJECTIVES.module(name).OBJECTIVE, {key: True for key in found.to_json()})


@pytest.mark.parametrize("name", losses())
def test_gradients_are_those_of_finite_differences(name: str):
    found = objective(name)
    x = outputs(found).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: found.loss(x, Y.double()), x)


@pytest.mark.parametrize("name", losses())
def test_descent_on_free_outputs_finds_the_scores(name: str):
    found = objective(name)
    x = outputs(found).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.1)
    for _ in range(1500):
        optimizer.zero_grad()
        found.loss(x, Y.double()).backward()
        optimizer.step()
    value = found.calibrated(x.detach(), Y).value(x.detach())
    assert torch.equal(value.argsort(stable=True).argsort(), value.argsort(stable=True).argsort())
    off = (value - Y).abs().max()
    assert off < (0.7 if name == "ranking" else 0.15)  # only the order is learned by ranking


@pytest.mark.parametrize("name", losses())
@pytest.mark.parametrize("scale", [0.0, 30.0, 1000.0])
def test_losses_and_gradients_are_finite_for_extreme_outputs(name: str, scale: float):
    found = objective(name)
    x = outputs(found, scale=scale).float().requires_grad_()
    loss = found.loss(x, Y)
    loss.backward()
    assert loss.isfinite()
    assert x.grad is not None and x.grad.isfinite().all()


def default_huber(y: np.ndarray) -> ScoreObjective:
    return OBJECTIVES.module("huber").OBJECTIVE.of(TrainingScores(y))


@pytest.mark.parametrize("y", [Y.numpy(), np.arange(101.0), Y.numpy() / 10, np.linspace(1, 5, 40), np.linspace(0, 30, 40)])
def test_the_threshold_is_one_step_of_the_scale(y: np.ndarray):
    assert default_huber(y).to_json()["delta"] == 1.0


@given(st.floats(100, 1e9), st.floats(-1e6, 1e6))
def test_the_threshold_of_scores_without_steps_follows_their_scale(scale: float, shift: float):
    y = np.array([0.1234, 0.7071, 0.2531, 0.9013, 0.4142])  # integers only at scales of thousands
    one, other = default_huber(1000 * y), default_huber(scale * y + shift)
    x = torch.tensor([[0.3], [-2.0], [5.0], [0.1], [-0.7]], dtype=torch.float64)
    first = one.loss(x, torch.from_numpy(1000 * y)).item()
    assert other.loss(x, torch.from_numpy(scale * y + shift)).item() == pytest.approx(first, rel=1e-6)
    assert "is the standard deviation of the scores" in one.notes()[0]


def test_huber_is_the_formula_in_the_units_of_the_score():
    found = objective("huber", delta=0.5)
    x = outputs(found)
    mean, deviation = float(Y.double().mean()), float(Y.double().std(correction=0))
    each = []
    for out, y in zip(x[:, 0].tolist(), Y.tolist(), strict=True):
        error = abs(mean + deviation * out - y)
        each.append(error**2 / 2 if error <= 0.5 else 0.5 * (error - 0.25))
    assert float(found.loss(x, Y.double())) * deviation**2 == pytest.approx(np.mean(each), rel=1e-12)


@given(st.floats(0.1, 10), st.floats(-100, 100))
def test_the_loss_does_not_depend_on_the_unit_of_the_score(factor: float, shift: float):
    for name in ("mse", "mae"):
        first, second = objective(name), objective(name, Y * factor + shift)
        x = outputs(first)
        other = second.loss(x, (Y * factor + shift).double())
        assert float(other) == pytest.approx(float(first.loss(x, Y.double())), rel=1e-4, abs=1e-5)


def test_emd_is_the_root_of_the_mean_squared_difference_of_cumulative_sums():
    found = objective("emd")
    x = outputs(found)
    p, each = x.softmax(1).tolist(), []
    for row, y in zip(p, Y.tolist(), strict=True):
        cumulative, below = 0.0, []
        for level, share in enumerate(row):
            cumulative += share
            below.append((cumulative - (1.0 if y <= level else 0.0)) ** 2)
        each.append(math.sqrt(np.mean(below)))
    assert float(found.loss(x, Y.double())) == pytest.approx(np.mean(each), rel=1e-6)


def test_corn_is_the_sum_over_conditional_tasks_over_their_examples():
    found = objective("corn")
    x = outputs(found)
    total, asked = 0.0, 0
    for task in range(4):  # is y above `task`, given that it is above the level before
        for row, y in zip(x.tolist(), Y.tolist(), strict=True):
            if y > task - 1:
                p = 1 / (1 + math.exp(-row[task]))
                total -= math.log(p if y > task else 1 - p)
                asked += 1
    assert float(found.loss(x, Y.double())) == pytest.approx(total / asked, rel=1e-12)


def test_ranking_is_the_mean_over_pairs_of_different_scores():
    found = objective("ranking")
    x, each = outputs(found), []
    for i, first in enumerate(Y.tolist()):
        for j, second in enumerate(Y.tolist()):
            if first > second:
                each.append(math.log1p(math.exp(-float(x[i, 0] - x[j, 0]))))
    assert float(found.loss(x, Y.double())) == pytest.approx(np.mean(each), rel=1e-12)
    equal = x.clone().requires_grad_()
    found.loss(equal, torch.zeros(len(Y), dtype=torch.float64)).backward()
    assert equal.grad is not None and not equal.grad.any()


def test_ranking_is_brought_to_the_scale_of_the_scores_by_least_squares():
    found = objective("ranking")
    x = outputs(found)
    slope, cut = np.polyfit(x[:, 0].numpy(), Y.numpy(), 1)
    assert np.allclose(found.calibrated(x, Y).value(x).numpy(), slope * x[:, 0].numpy() + cut, atol=1e-10)
    flat = torch.ones_like(x)
    assert torch.allclose(found.calibrated(flat, Y).value(flat), Y.double().mean())


@pytest.mark.parametrize("name", ["ce", "emd", "corn"])
def test_levels_that_no_example_has_are_outputs_too(name: str):
    found = objective(name)
    assert len(found.outputs) == 5 - (name == "corn")
    sure = torch.full((5, len(found.outputs)), -40.0)
    for level in range(5):
        if name == "corn":
            sure[level, :level] = 40.0
        else:
            sure[level, level] = 40.0
    assert found.value(sure).tolist() == pytest.approx([0, 1, 2, 3, 4], abs=1e-6)


@pytest.mark.parametrize("name", ["ce", "emd", "corn"])
@pytest.mark.parametrize(("y", "what"), [([0.5, 1.0], "0.5 is none"), ([0.0, 500.0], "501 from 0 to 500")])
def test_scores_without_levels_are_refused(name: str, y: list[float], what: str):
    with pytest.raises(UsageError, match=f"`loss={name}` needs scores that are integers.*{what}"):
        objective(name, torch.tensor(y))


def test_emd_of_several_raters_takes_the_distribution_of_their_votes():
    votes = np.array([[1, 1, 4.0], [2, np.nan, 3], [4, 4, 4], [1, 2, 3]])
    y = np.nanmean(votes, 1)
    known = votes_of_ratings(votes)
    found = OBJECTIVES.module("emd").OBJECTIVE.of(TrainingScores(y, votes=known))
    assert (found.low, found.high) == (1, 4)
    targets = found.targets(torch.from_numpy(y), known)
    expected = [[2 / 3, 0, 0, 1 / 3], [0, 0.5, 0.5, 0], [0, 0, 0, 1], [1 / 3, 1 / 3, 1 / 3, 0]]
    assert torch.allclose(targets, torch.tensor(expected))
    x = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    each = []
    for row, true in zip(x.softmax(1).numpy(), expected, strict=True):
        each.append(np.sqrt(np.mean((np.cumsum(row) - np.cumsum(true)) ** 2)))
    assert float(found.loss(x, targets)) == pytest.approx(np.mean(each), rel=1e-6)
    sure = targets.clamp(min=1e-12).log()
    assert torch.allclose(found.value(sure), torch.from_numpy(y).float(), atol=1e-5)
    assert float(found.loss(sure, targets)) < 1e-5


def test_what_are_no_votes_leaves_the_scores():
    found, y = objective("emd"), torch.tensor([1.0, 2.0])
    assert found.targets(y, None) is y
    assert votes_of_ratings(np.array([[0.5, 1.5], [2, 2]])) is None
    assert objective("mse").targets(y, votes_of_ratings(np.array([[1.0, 1], [2, 2]]))) is y


def test_votes_outside_the_levels_count_for_the_nearest():
    votes = Votes(0, np.array([[0.5, 0.25, 0.25], [0, 0, 1]]))
    assert votes.at(1, 3).tolist() == [[0.75, 0.25, 0], [0, 1, 0]]
