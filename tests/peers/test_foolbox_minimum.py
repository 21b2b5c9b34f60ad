"""Minimum-norm attacks beside foolbox's, on the same network and images."""

import pytest
import torch
from torch import Tensor

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.minimum_norm import MinimumNorm, MinimumNormResult
from tests.peers.problems import Problem, digits

pytestmark = pytest.mark.peers
foolbox = pytest.importorskip("foolbox")


@pytest.fixture(scope="module")
def problem() -> Problem:
    return digits(40, torch.float64)


def theirs(problem: Problem, peer: object, aim: object = None) -> Tensor:
    model, x, y = problem
    aim = foolbox.criteria.Misclassification(y) if aim is None else aim
    return peer.run(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, aim)


def ours(problem: Problem, name: str, norm: str, targets: Tensor | None = None, **options: float) -> MinimumNormResult:
    attack = load_attack(name).with_options(**options)
    assert isinstance(attack, MinimumNorm)
    return attack.nearest(*problem, norm=norm, targets=targets)


def median(problem: Problem, images: Tensor, norm: str, targets: Tensor | None = None) -> float:
    """Of the lengths of the changes, failures as infinity."""
    model, x, y = problem
    change, decision = (images - x).flatten(1), model(images).argmax(1)
    lengths = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    return float(lengths.masked_fill(decision == y if targets is None else decision != targets, torch.inf).median())


@pytest.mark.parametrize(("norm", "peer"), [("l2", "L2DeepFoolAttack"), ("linf", "LinfDeepFoolAttack")])
@pytest.mark.parametrize("candidates", [3, 10])
def test_deepfool_equals_foolbox(norm: str, peer: str, candidates: int, problem: Problem) -> None:
    expected = theirs(problem, getattr(foolbox.attacks, peer)(candidates=candidates))
    found = ours(problem, "deepfool", norm, classes=candidates - 1)
    assert bool(found.success.all()) and float((found.images - expected).abs().max()) <= 1e-5


@pytest.mark.parametrize("targeted", [False, True])
def test_cw_is_as_near_as_foolbox(targeted: bool, problem: Problem) -> None:
    settings = {"steps": 100, "stepsize": 0.1, "binary_search_steps": 7, "initial_const": 0.01, "abort_early": False}
    targets = (problem[2] + 3) % 10 if targeted else None
    aim = foolbox.criteria.TargetedMisclassification(targets) if targeted else None
    expected = median(problem, theirs(problem, foolbox.attacks.L2CarliniWagnerAttack(**settings), aim), "l2", targets)
    found = ours(problem, "cw", "l2", targets, steps=100, searches=7)
    assert abs(float(found.norms.median()) / expected - 1) <= 0.05


@pytest.mark.parametrize(("norm", "peer"), [("l2", "L2FMNAttack"), ("linf", "LInfFMNAttack")])
@pytest.mark.parametrize("targeted", [False, True])
def test_fmn_is_as_near_as_foolbox(norm: str, peer: str, targeted: bool, problem: Problem) -> None:
    targets = (problem[2] + 3) % 10 if targeted else None
    aim = foolbox.criteria.TargetedMisclassification(targets) if targeted else None
    expected = median(problem, theirs(problem, getattr(foolbox.attacks, peer)(), aim), norm, targets)
    found = ours(problem, "fmn", norm, targets)
    # foolbox's projection in l2 divides a length by itself and so never shrinks a change: ours may be nearer, not further.
    assert float(found.norms.median()) / expected <= 1.05
    if norm == "linf":
        assert float(found.norms.median()) / expected >= 0.95


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fab_is_as_near_as_the_best_peer(norm: str, problem: Problem) -> None:
    peers = {"linf": ["LinfDeepFoolAttack", "LInfFMNAttack"], "l2": ["L2DeepFoolAttack", "L2FMNAttack"]}[norm]
    best = min(median(problem, theirs(problem, getattr(foolbox.attacks, peer)()), norm) for peer in peers)
    for name in ("fab", "fab-t"):
        assert float(ours(problem, name, norm, steps=50).norms.median()) <= 1.02 * best
