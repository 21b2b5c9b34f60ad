"""Gradient attacks beside foolbox's, on the same network, images and eps."""

import pytest
import torch

from dlcli.core.attacks import load_attack
from tests.peers.problems import untrained

pytestmark = pytest.mark.peers
foolbox = pytest.importorskip("foolbox")


@pytest.mark.parametrize("eps", [0.0, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-2.0, 3.0)])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fgsm_equals_foolbox(eps: float, bounds: tuple[float, float], norm: str) -> None:
    model, x, y = untrained(bounds)
    peer = {"linf": foolbox.attacks.LinfFastGradientAttack, "l2": foolbox.attacks.L2FastGradientAttack}[norm]()
    _, theirs, _ = peer(foolbox.PyTorchModel(model, bounds=bounds, device="cpu"), x, y, epsilons=eps)
    ours = load_attack("fgsm")(model, x, y, eps=eps, bounds=bounds, norm=norm, batch_size=64)
    assert float((ours - theirs).abs().max()) <= 2e-6


PEERS = {
    ("bim", "linf"): "LinfBasicIterativeAttack",
    ("bim", "l2"): "L2BasicIterativeAttack",
    ("pgd", "linf"): "LinfProjectedGradientDescentAttack",
    ("pgd", "l2"): "L2ProjectedGradientDescentAttack",
    # foolbox takes the sign of a gradient before it gathers it, which is not the paper's method but with a momentum of 0.
    ("mifgsm", "linf"): "LinfMomentumIterativeFastGradientMethod",
}


@pytest.mark.parametrize(("name", "norm"), PEERS)
@pytest.mark.parametrize("targeted", [False, True])
def test_iterates_equal_foolbox(name: str, norm: str, targeted: bool) -> None:
    # In float64, where rounding turns no sign; twelve steps of a fifth of eps, so that the ball is met.
    bounds, eps = (0.0, 1.0), 0.1 if norm == "linf" else 1.0
    model, x, y = untrained(bounds, torch.float64)
    targets = (y + 3) % 10
    still = {"momentum": 0.0} if name == "mifgsm" else {}
    peer = getattr(foolbox.attacks, PEERS[name, norm])(abs_stepsize=eps / 5, steps=12, random_start=False, **still)
    aim = foolbox.criteria.TargetedMisclassification(targets) if targeted else foolbox.criteria.Misclassification(y)
    theirs = peer.run(foolbox.PyTorchModel(model, bounds=bounds, device="cpu"), x, aim, epsilon=eps)
    options = {"random_start": False} if name == "pgd" else still
    attack = load_attack(name).with_options(step_size=eps / 5, steps=12, **options)
    ours = attack(model, x, y, eps=eps, norm=norm, full=True, targets=targets if targeted else None)
    assert float((ours - theirs).abs().max()) <= 1e-5
    assert float((ours - x).abs().max()) > 0.05
