"""Mixup and CutMix: a step by hand, shares that are areas, and draws that depend on the seed only."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.core.compute.rng import generator
from dlcli.core.objectives.cross_entropy import CrossEntropy
from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.hooks import Hooks
from dlcli.core.training.loop import Training
from dlcli.core.training.mixing import Mixing
from dlcli.core.training.recipe import Recipe
from dlcli.support.reporter import SILENT
from dlcli.support.seeds import derive

CPU = torch.device("cpu")
CLASSES, LR, SEED = 3, 0.1, 4
X, Y = torch.rand(12, 2, 6, 5, generator=generator(1)), torch.randint(CLASSES, (12,), generator=generator(2))
WEIGHTS = torch.tensor([1.0, 2.0, 5.0])


def network(outputs: int = CLASSES) -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, outputs))


def drawn(alpha: float, *, first: bool) -> tuple[float, tuple[int, int, int, int]]:
    """Lambda, and the rectangle of CutMix (Yun et al. 2019, section 3.1), from the generator that a step seeds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(SEED, "mixing", 0))
        torch.randint(1, ())
        lam = float(torch.distributions.Beta(torch.tensor([alpha]), torch.tensor([alpha])).sample())
        if first:
            return lam, (0, 0, 0, 0)
        height, width = X.shape[-2:]
        column, row = int(torch.randint(width, (1,))), int(torch.randint(height, (1,)))
        half = [int(0.5 * (1 - lam) ** 0.5 * length) for length in (height, width)]
        return lam, (max(0, row - half[0]), min(height, row + half[0]), max(0, column - half[1]), min(width, column + half[1]))


def mixed_by_hand(name: str, x: Tensor, alpha: float) -> tuple[Tensor, float]:
    lam, (top, bottom, left, right) = drawn(alpha, first=name == "mixup")
    other = torch.stack([x[k - 1] for k in range(len(x))])
    if name == "mixup":
        return lam * x + (1 - lam) * other, lam
    mixed = x.clone()
    mixed[:, :, top:bottom, left:right] = other[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (x.shape[-2] * x.shape[-1])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("outputs", [CLASSES, CLASSES + 2])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_step_by_hand(name: str, outputs: int, weights: Tensor | None, smoothing: float):
    alpha, model, reference = 0.7, network(outputs), network(outputs)
    recipe = Recipe(1, 12, "sgd", LR, dtype="float32", threads=1, label_smoothing=smoothing)
    mixing = Mixing(**{"mixup": 0.0, "cutmix": 0.0, "classes": CLASSES, name: alpha})
    training = Training(model, X, Y, recipe, seed=SEED, device=CPU, hooks=Hooks(class_weights=weights, mixing=mixing))
    with SILENT.task("") as task:
        found_loss = training.run_epoch(task)
    order = torch.randperm(12, generator=generator(derive(SEED, "order")))
    x, y = X[order], Y[order]
    mixed, lam = mixed_by_hand(name, x, alpha)
    assert 0.05 < lam < 0.95  # a draw that mixes
    log = reference(mixed).log_softmax(1)
    smooth = (1 - smoothing) * F.one_hot(y, outputs) + smoothing / outputs
    shares = lam * smooth + (1 - lam) * smooth.roll(1, 0)
    each = torch.ones(outputs)  # outputs that stand for no class count as without weights
    if weights is not None:
        each[:CLASSES] = weights
    total = (lam * each[y] + (1 - lam) * each[y.roll(1, 0)]).sum()
    loss = -(shares * each * log).sum() / total
    gradients = torch.autograd.grad(loss, list(reference.parameters()))
    assert found_loss == pytest.approx(float(loss.detach()), rel=1e-6)
    for found, weight, gradient in zip(model.parameters(), reference.parameters(), gradients, strict=True):
        torch.testing.assert_close(found, weight - LR * gradient, rtol=1e-6, atol=1e-6)


@given(seed=st.integers(0, 2**62), alphas=st.sampled_from([(0.2, 0.0), (0.0, 1.0), (1.0, 1.0)]))
@settings(max_examples=40, deadline=None)
def test_shares_are_what_there_is_of_each_image(seed: int, alphas: tuple[float, float]):
    """Image k is a constant, so its share of a mixed image can be read from the mean of that."""
    mixing, y = Mixing(*alphas, 5), torch.arange(5)
    x = torch.eye(5)[:, :, None, None].expand(5, 5, 4, 6)
    before = torch.get_rng_state()
    mixed, shares = mixing(x, y, seed)
    torch.testing.assert_close(mixed.mean((2, 3)), shares, rtol=1e-5, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert all(torch.equal(a, b) for a, b in zip(mixing(x, y, seed), (mixed, shares), strict=True))


def test_with_both_each_batch_gets_one_of_them():
    x, y = torch.rand(4, 1, 8, 8, generator=generator(0)), torch.arange(4)
    pasted = [bool(torch.isin(Mixing(1.0, 1.0, 4)(x, y, seed)[0], x).all()) for seed in range(60)]
    assert 15 < sum(pasted) < 45


def test_all_frames_of_a_clip_are_mixed_alike():
    frame = torch.rand(4, 3, 1, 8, 8, generator=generator(0))
    for alphas in ((1.0, 0.0), (0.0, 1.0)):
        clips, shares = Mixing(*alphas, 4)(frame.expand(4, 3, 5, 8, 8), torch.arange(4), 7)
        images, same = Mixing(*alphas, 4)(frame[:, :, 0], torch.arange(4), 7)
        assert torch.equal(clips, images[:, :, None].expand_as(clips)) and torch.equal(shares, same)


def test_shares_of_one_class_each_have_the_loss_of_whole_numbers():
    for weights in (None, WEIGHTS):
        recipe = Recipe(1, 12, "sgd", LR, label_smoothing=0.1)
        objective = CrossEntropy(weights, recipe.label_smoothing)
        gradients = BatchGradients(
            network(),
            torch.optim.SGD([torch.zeros(1)]),
            recipe=recipe,
            dtype=torch.float32,
            device=CPU,
            objective=objective,
        )
        logits = torch.randn(12, CLASSES, generator=generator(5))
        found = gradients._loss(logits, F.one_hot(Y, CLASSES).float())
        torch.testing.assert_close(found, gradients._loss(logits, Y))
