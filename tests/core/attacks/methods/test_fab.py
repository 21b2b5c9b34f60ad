"""FAB's projection against a linear and a quadratic programme, and its targeted and restarted forms."""

import copy
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import RowGenerators, ThreatModel
from dlcli.core.attacks.fab_projection import onto_hyperplane
from dlcli.core.attacks.methods.fab import FAB
from dlcli.core.attacks.methods.fab_t import FABT
from dlcli.core.compute.rng import generator

Trained = tuple[nn.Module, Tensor, Tensor]
BOUNDS = (-0.5, 1.0)
SEEDS = st.integers(0, 2**32)


def problem(seed: int, d: int = 5, n: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Points within the bounds, some on them, normals with zeros, and gaps that some boxes cannot reach."""
    source = torch.Generator().manual_seed(seed)
    x = (torch.rand(n, d, generator=source, dtype=torch.float64) * 2.5 - 1).clamp(*BOUNDS)
    w = torch.randn(n, d, generator=source, dtype=torch.float64)
    w *= torch.rand(n, d, generator=source) > 0.2
    return x, w, 2 * torch.randn(n, generator=source, dtype=torch.float64)


def reachable(x: Tensor, w: Tensor, gap: Tensor) -> Tensor:
    """The largest change of <w, x> within the bounds in the direction of the gap."""
    up = w * gap.sign()[:, None]
    return (up.abs() * torch.where(up > 0, BOUNDS[1] - x, x - BOUNDS[0])).sum(1)


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_in_linf_no_point_of_the_hyperplane_and_box_is_nearer(seed: int) -> None:
    x, w, gap = problem(seed)
    changes = onto_hyperplane(x, w, gap, BOUNDS, "linf")
    assert float((x + changes).min()) >= BOUNDS[0] - 1e-12 and float((x + changes).max()) <= BOUNDS[1] + 1e-12
    for k in range(len(x)):
        if float(reachable(x, w, gap)[k]) < float(gap[k].abs()):
            continue
        # Variables d and t: least t with -t <= d <= t.
        d = x.shape[1]
        rows = torch.cat([torch.cat([torch.eye(d), -torch.eye(d)]), -torch.ones(2 * d, 1)], dim=1)
        box = [(BOUNDS[0] - float(v), BOUNDS[1] - float(v)) for v in x[k]]
        normal = [[*w[k].tolist(), 0.0]]
        best = linprog([0] * d + [1], rows.numpy(), [0] * (2 * d), normal, [float(gap[k])], bounds=[*box, (0, None)])
        assert abs(float((w[k] * changes[k]).sum() - gap[k])) < 1e-9
        assert abs(float(changes[k].abs().max()) - best.fun) < 1e-8


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_in_l2_no_point_of_the_hyperplane_and_box_is_nearer(seed: int) -> None:
    x, w, gap = problem(seed, d=4)
    changes = onto_hyperplane(x, w, gap, BOUNDS, "l2")
    assert float((x + changes).min()) >= BOUNDS[0] - 1e-12 and float((x + changes).max()) <= BOUNDS[1] + 1e-12
    for k in range(len(x)):
        if float(reachable(x, w, gap)[k]) < 1.01 * float(gap[k].abs()):
            continue
        normal, need = w[k].numpy(), float(gap[k])
        box = [(BOUNDS[0] - float(v), BOUNDS[1] - float(v)) for v in x[k]]
        plane = {"type": "eq", "fun": lambda d, n=normal, g=need: n @ d - g, "jac": lambda d, n=normal: n}
        start = (BOUNDS[0] + BOUNDS[1]) / 2 - x[k].numpy()
        best = minimize(lambda d: d @ d, start, jac=lambda d: 2 * d, bounds=box, constraints=[plane], options={"ftol": 1e-14})
        assert abs(float((w[k] * changes[k]).sum()) - need) < 1e-9
        if best.success:
            assert float(changes[k].square().sum()) <= best.fun * (1 + 1e-5) + 1e-9


@pytest.mark.parametrize("norm", ["linf", "l2"])
@given(seed=SEEDS)
def test_out_of_reach_it_goes_to_the_corner_that_is_nearest(norm: str, seed: int) -> None:
    x, w, gap = problem(seed)
    gap = gap.sign() * (reachable(x, w, gap) + 0.1)
    changes = onto_hyperplane(x, w, gap, BOUNDS, norm)
    assert torch.allclose((w * changes).sum(1), gap.sign() * reachable(x, w, gap), atol=1e-9)
    assert bool((changes[w == 0] == 0).all())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_point_on_the_hyperplane_stays_and_no_normal_moves_nothing(norm: str) -> None:
    x, w, gap = problem(1)
    assert bool((onto_hyperplane(x, w, 0 * gap, BOUNDS, norm) == 0).all())
    assert bool((onto_hyperplane(x, 0 * w, gap, BOUNDS, norm) == 0).all())
    single = onto_hyperplane(x.float(), w.float(), gap.float(), BOUNDS, norm)
    assert single.dtype == torch.float32 and torch.allclose(
        single.double(), onto_hyperplane(x, w, gap, BOUNDS, norm), atol=1e-5
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_all_targets_find_what_all_boundaries_find(norm: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:30], trained[2][:30]
    one, each = (load_attack(name).with_options(steps=30).nearest(model, x, y, norm=norm) for name in ("fab", "fab-t"))
    assert bool(each.success.all()) and bool(one.success.all())
    assert float(each.norms.median()) <= 1.01 * float(one.norms.median())
    top = load_attack("fab-t").with_options(steps=30, classes=1).nearest(model, x, y, norm=norm)
    assert bool((each.norms <= top.norms).all()) and bool((each.norms < top.norms).any())


@pytest.mark.parametrize("name", ["fab", "fab-t"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_ball_does_not_hold_it_back(norm: str, name: str, trained: Trained) -> None:
    """It takes the same path for every eps, so it succeeds wherever the nearest image is within eps."""
    model, x, y = copy.deepcopy(trained[0]).double(), trained[1][:60].double(), trained[2][:60]
    attack = load_attack(name).with_options(steps=15)
    nearest = attack.nearest(model, x, y, norm=norm).norms
    for level in (0.2, 0.5, 0.8):
        eps = float(nearest.quantile(level))
        found = attack(model, x, y, eps=eps, norm=norm)
        fooled = model(found).argmax(1) != y
        assert bool((fooled | (nearest > eps)).all())
        # An end out of the ball is brought into it, and may succeed there.
        assert int((fooled & (nearest > eps)).sum()) <= 2
        lengths = (found - x).flatten(1).norm(dim=1, p=torch.inf if norm == "linf" else 2)
        assert 0.5 * eps < float(lengths.max()) <= eps * (1 + 1e-9)


@dataclass(frozen=True)
class RecordedFAB(FAB):
    """Keeps from where each run begins: its restart, and the offset from the image in units of the radius."""

    begun: list[tuple[int, Tensor]] = field(default_factory=list, compare=False)

    def start(self, clean: Tensor, threat: ThreatModel, radius: Tensor, restart: Tensor, generators: RowGenerators) -> Tensor:
        points = super().start(clean, threat, radius, restart, generators)
        for k in range(len(clean)):
            self.begun.append((int(restart[k]), (points[k] - clean[k]) / radius[k]))
        return points


def test_restarts_never_lengthen(trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:20], trained[2][:20]
    once, thrice = (FAB(steps=15, restarts=r).nearest(model, x, y, seed=4).norms for r in (1, 3))
    assert bool((thrice <= once).all())
    few = FAB(steps=15, restarts=3).nearest(model, x[:5], y[:5], seed=4)
    assert torch.allclose(few.norms, thrice[:5], atol=1e-4)


def test_restarts_begin_elsewhere(trained: Trained) -> None:
    model, x = trained[0], trained[1][:6]
    y = model(x).argmax(1)  # an image that is misclassified as it is needs no run
    attacks = [RecordedFAB(steps=3, restarts=3) for _ in range(2)]
    for seed, attack in enumerate(attacks):
        attack.nearest(model, x, y, seed=seed)
    first = [offset for attack in attacks for restart, offset in attack.begun if restart == 0]
    later = [offset for attack in attacks for restart, offset in attack.begun if restart > 0]
    assert len(first) == 2 * len(x) and len(later) == 4 * len(x)
    assert not torch.stack(first).any()
    assert len({tuple(offset.flatten().tolist()) for offset in later}) == len(later)  # by image, restart and seed


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_restart_begins_within_half_the_radius(norm: str) -> None:
    clean, threat = torch.rand(20, 2, 3), ThreatModel(norm, 0.5, (0.0, 1.0))
    radius, restart = torch.linspace(0.1, 0.4, 20).double(), torch.arange(20) % 3
    begun = FABT().start(clean, threat, radius, restart, generator)
    length = threat.measure.length(begun - clean)
    assert torch.equal(length > 0, restart > 0)
    assert bool((length <= radius / 2 + 1e-6).all())
