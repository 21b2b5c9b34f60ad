"""Attacks beside those of the Adversarial Robustness Toolbox, on the same network, images and eps."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from tests.peers.problems import Problem, untrained

pytestmark = pytest.mark.peers
evasion = pytest.importorskip("art.attacks.evasion")
classification = pytest.importorskip("art.estimators.classification")

NORMS = {"linf": torch.inf, "l2": 2}


class _Double(nn.Module):
    """In float64, where rounding turns no sign; ART gives images in float32."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x.double())


def theirs(name: str, problem: Problem, targets: Tensor | None, bounds: tuple[float, float], **options: object) -> Tensor:
    model, x, y = problem
    wrapped = classification.PyTorchClassifier(
        _Double(model), nn.CrossEntropyLoss(), tuple(x.shape[1:]), 10, clip_values=bounds, device_type="cpu"
    )
    attack = getattr(evasion, name)(wrapped, batch_size=64, targeted=targets is not None, **options)
    return torch.from_numpy(attack.generate(x.float().numpy(), (y if targets is None else targets).numpy()))


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-2.0, 3.0)])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("linf", 1.0), ("l2", 0.3), ("l2", 4.0)])
def test_fgsm_equals_art(norm: str, eps: float, bounds: tuple[float, float], targeted: bool) -> None:
    model, x, y = problem = untrained(bounds, torch.float64)
    targets = (y + 3) % 10 if targeted else None
    ours = load_attack("fgsm")(model, x, y, eps=eps, norm=norm, bounds=bounds, targets=targets)
    expected = theirs("FastGradientMethod", problem, targets, bounds, norm=NORMS[norm], eps=eps)
    assert float((ours - expected).abs().max()) <= 1e-5
    assert float((ours - x).abs().max()) > 0.5 * min(eps, 0.5) / (1 if norm == "linf" else 8)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(
    ("name", "peer", "ours", "others"),
    [
        ("bim", "BasicIterativeMethod", {}, {}),
        ("pgd", "ProjectedGradientDescent", {"random_start": False}, {"num_random_init": 0}),
        ("mifgsm", "MomentumIterativeMethod", {"momentum": 1.0}, {"decay": 1.0}),
    ],
)
def test_iterates_equal_art(name: str, peer: str, ours: dict, others: dict, norm: str, targeted: bool) -> None:
    # ART clips before it projects, dlcli and foolbox after, which is the same in linf, and in l2 far from the bounds.
    eps, bounds = 0.1 if norm == "linf" else 1.0, (0.0, 1.0) if norm == "linf" else (-9.0, 9.0)
    model, x, y = untrained(dtype=torch.float64)
    targets = (y + 3) % 10 if targeted else None
    settings = {"norm": NORMS[norm], "eps": eps, "eps_step": eps / 5, "max_iter": 12, "verbose": False}
    # ART's BIM is in linf alone.
    if name == "bim" and norm == "l2":
        peer, others = "ProjectedGradientDescent", {"num_random_init": 0}
    if peer == "BasicIterativeMethod":
        settings.pop("norm")
    expected = theirs(peer, (model, x, y), targets, bounds, **settings, **others)
    attack = load_attack(name).with_options(step_size=eps / 5, steps=12, **ours)
    found = attack(model, x, y, eps=eps, norm=norm, bounds=bounds, targets=targets, full=True)
    assert float((found - expected).abs().max()) <= 1e-5
    assert float((found - x).abs().max()) > 0.05
