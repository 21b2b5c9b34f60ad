"""Auto-PGD against algorithm 1 of its paper, written out for one image, and against what it promises."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.apgd import APGD, at_checkpoint, checkpoints
from dlcli.core.attacks.base import Problem, ThreatModel
from dlcli.core.attacks.batch import ActiveBatch
from dlcli.core.attacks.gradient import LossGradient
from dlcli.core.compute.batches import FittingParts
from dlcli.core.compute.rng import generator
from dlcli.support.seeds import derive

Trained = tuple[nn.Module, Tensor, Tensor]


def test_the_checkpoints_of_100_steps_are_those_of_the_paper() -> None:
    assert checkpoints(100) == (22, 41, 57, 70, 80, 87, 93, 99)


@given(st.integers(1, 400))
def test_checkpoints_follow_the_recursion(steps: int) -> None:
    # In thousandths of a percent, so that the ceiling is that of exact numbers.
    p, expected = [0, 22000], []
    while p[-1] < 100000:
        expected.append(math.ceil(p[-1] * steps / 100000))
        p.append(p[-1] + max(p[-1] - p[-2] - 3000, 6000))
    assert checkpoints(steps) == tuple(sorted({w for w in expected if w < steps}))


CONDITIONS = [
    # rises of 22, halved before, best now, best then: halved?
    (16, False, 2.0, 1.0, True),  # 16 < 16.5: too few
    (17, False, 2.0, 1.0, False),
    (17, False, 1.0, 1.0, True),  # nothing gained with an unchanged step
    (17, True, 1.0, 1.0, False),  # the step was new
    (16, True, 1.0, 1.0, True),
]


@pytest.mark.parametrize(("increases", "before", "best", "then", "expected"), CONDITIONS)
def test_the_two_conditions(increases: int, before: bool, best: float, then: float, expected: bool) -> None:
    memory = {
        "increases": torch.full((3,), float(increases)),
        "halved": torch.full((3,), before),
        "best_loss": torch.full((3,), best),
        "checked_loss": torch.full((3,), then),
        "scale": torch.full((3,), 2.0),
    }
    # Rows at steps 21, 22 and 23 of 100: only the second is at a checkpoint.
    found = at_checkpoint(memory, torch.tensor([21, 22, 23]), 100)
    assert found["scale"].tolist() == [2.0, 1.0 if expected else 2.0, 2.0]
    assert found["halved"].tolist() == [before, expected, before]
    assert found["increases"].tolist() == [increases, 0, increases]
    assert found["checked_loss"].tolist() == [then, best, then]


def project(z: Tensor, x: Tensor, eps: float, norm: str) -> Tensor:
    d = z - x
    d = d.clamp(-eps, eps) if norm == "linf" else d * min(1.0, eps / max(float(d.norm()), 1e-300))
    return (x + d).clamp(0, 1)


def by_the_paper(model: nn.Module, x: Tensor, y: Tensor, start: Tensor, eps: float, steps: int, norm: str) -> Tensor:
    """Algorithm 1 for one image (1, ...): the point of the highest loss."""

    def at(point: Tensor) -> tuple[float, Tensor]:
        point = point.detach().requires_grad_(True)
        value = cross_entropy(model(point), y)
        return float(value.detach()), torch.autograd.grad(value, point)[0]

    def up(gradient: Tensor) -> Tensor:
        return gradient.sign() if norm == "linf" else gradient / gradient.norm()

    w, eta = [0, *checkpoints(steps)], 2 * eps
    now = previous = project(start, x, eps, norm)
    f, gradient = at(now)
    losses, best, etas, bests = [f], (f, now, gradient), {0: eta}, {0: f}
    for k in range(steps):
        if k in w[1:]:
            j = w.index(k)
            increases = sum(losses[i + 1] > losses[i] for i in range(w[j - 1], w[j]))
            few = increases < 0.75 * (w[j] - w[j - 1])
            stuck = etas[w[j - 1]] == eta and bests[w[j - 1]] == best[0]
            before = eta
            if few or stuck:
                eta /= 2
                now, gradient = best[1], best[2]
            # Condition 2 compares the step size in force before this checkpoint with that before the last one.
            etas[k], bests[k] = (eta if eta == before else -1.0), best[0]
        a = 0.75 if k else 1.0
        z = project(now + eta * up(gradient), x, eps, norm)
        then, now = now, project(now + a * (z - now) + (1 - a) * (now - previous), x, eps, norm)
        previous = then
        f, gradient = at(now)
        losses.append(f)
        if f > best[0]:
            best = (f, now, gradient)
    return best[1]


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("steps", [7, 40])
def test_it_is_algorithm_1(norm: str, steps: int, trained: Trained) -> None:
    model, x, y = copy.deepcopy(trained[0]).double(), trained[1][:12].double(), trained[2][:12]
    eps, threat = 0.3, ThreatModel(norm, 0.3, (0.0, 1.0))
    expected_runs = []
    for k in range(len(x)):
        source = generator(derive(5, "start", k, 0))
        start = x[k] + eps * threat.measure.draw(x[k].shape, source)
        expected_runs.append(by_the_paper(model, x[k : k + 1], y[k : k + 1], start[None], eps, steps, norm))
    found = load_attack("apgd-ce").with_options(steps=steps)(model, x, y, eps=eps, norm=norm, seed=5, full=True)
    assert float((found - torch.cat(expected_runs)).abs().max()) < 1e-7


@dataclass(frozen=True)
class Watched(APGD):
    """Writes down what it remembers after each step."""

    log: list[Mapping[str, Tensor]] = field(default_factory=list)

    def step(self, batch: ActiveBatch, at_x: LossGradient, threat: ThreatModel) -> tuple[Tensor, Mapping[str, Tensor]]:
        x, memory = super().step(batch, at_x, threat)
        self.log.append(memory)
        return x, memory


def test_the_best_loss_never_falls_and_the_step_size_only_halves(trained: Trained) -> None:
    attack = Watched(steps=60)
    found = attack(*(trained[0], trained[1][:30], trained[2][:30]), eps=0.2, full=True)
    best = torch.stack([memory["best_loss"] for memory in attack.log])
    scale = torch.stack([memory["scale"] for memory in attack.log])
    assert bool((best[1:] >= best[:-1]).all()) and bool((best[-1] > best[0]).all())
    assert set((scale[1:] / scale[:-1]).unique().tolist()) == {0.5, 1.0}
    changed = {k for k in range(1, 60) if bool((scale[k] != scale[k - 1]).any())}
    assert changed and changed <= set(checkpoints(60))
    loss = cross_entropy(trained[0](found), trained[2][:30], reduction="none").detach()
    assert bool((loss > best[-1] - 0.05 * best[-1].abs() - 0.05).all())  # up to the steps' precision


class _Tent(nn.Module):
    """The loss of label 0 is highest where the one pixel is `peak`, and falls to both sides alike."""

    def __init__(self, peak: float) -> None:
        super().__init__()
        self.peak = nn.Parameter(torch.tensor(peak, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        height = 1 - (x.flatten(1)[:, 0] - self.peak).abs()
        return torch.stack([-height, torch.zeros_like(height)], dim=1)


@given(st.floats(0.35, 0.65))
@settings(max_examples=8, deadline=None)
def test_on_an_oscillating_loss_the_steps_shorten_until_the_peak_is_found(peak: float) -> None:
    x, y = torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    attack = Watched()
    found = attack(_Tent(peak), x, y, eps=0.2, full=True)
    # Steps of 2 eps jump from one end of the ball to the other; halved at most of the eight checkpoints they are below 0.01.
    assert abs(float(found) - peak) < 0.01
    assert float(attack.log[-1]["scale"]) <= 2 / 2**5


def test_it_is_not_weaker_than_pgd(trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:200], trained[2][:200]

    def right(name: str, eps: float) -> int:
        with torch.no_grad():
            return int((model(load_attack(name).with_options(steps=40)(model, x, y, eps=eps)).argmax(1) == y).sum())

    pgd = right("pgd", 0.1)
    assert 20 < pgd < 180
    # Two standard errors of 200 images are 14 images; on the same images the attacks differ by far less.
    assert all(right(name, 0.1) <= pgd + 3 for name in ("apgd-ce", "apgd-dlr", "apgd-t"))


def test_apgd_t_takes_the_likeliest_wrong_classes_in_turn(trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:5], trained[2][:5]
    attack = load_attack("apgd-t").with_options(classes=3, restarts=2)
    cpu = torch.device("cpu")
    problem = Problem(
        model, cpu, ThreatModel("linf", 0.1, (0.0, 1.0)), x, y, None, FittingParts(8, cpu), torch.arange(len(x)), 0, None
    )
    with torch.no_grad():
        logits = model(x)
    target_classes = attack.target_classes(problem, logits)
    for row, z, label in zip(target_classes.tolist(), logits.tolist(), y.tolist(), strict=True):
        ranked = sorted((k for k in range(10) if k != label), key=lambda k: -z[k])[:3]
        assert row == ranked * 2
