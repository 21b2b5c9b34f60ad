"""Attacks beside those of torchattacks, on the same network, images and eps.

torchattacks asks for a requests of 2020, so the dev extra is without it: `pip install --no-deps torchattacks==3.5.1`.
"""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.minimum_norm import MinimumNorm
from dlcli.core.proportion import proportion
from tests.peers.problems import Problem, digits, untrained

pytestmark = pytest.mark.peers
torchattacks = pytest.importorskip("torchattacks", reason="install with: pip install --no-deps torchattacks==3.5.1")


def theirs(name: str, problem: Problem, targets: Tensor | None = None, **options: object) -> Tensor:
    model, x, y = problem
    attack = getattr(torchattacks, name)(model, **options)
    if targets is not None:
        attack.set_mode_targeted_by_label(quiet=True)
    return attack(x, y if targets is None else targets).detach()


def accuracy(problem: Problem, images: Tensor) -> int:
    """How many images keep their label."""
    model, _, y = problem
    return int((model(images).argmax(1) == y).sum())


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("eps", [0.0, 0.05, 1.0])
def test_fgsm_equals_torchattacks(eps: float, targeted: bool) -> None:
    model, x, y = problem = untrained()
    targets = (y + 3) % 10 if targeted else None
    ours = load_attack("fgsm")(model, x, y, eps=eps, targets=targets, batch_size=64)
    assert float((ours - theirs("FGSM", problem, targets, eps=eps)).abs().max()) <= 1e-5
    assert eps == 0 or float((ours - x).abs().max()) >= min(eps, 0.5) - 1e-5


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize(
    ("name", "peer", "ours", "others"),
    [
        ("bim", "BIM", {}, {}),
        ("pgd", "PGD", {"random_start": False}, {"random_start": False}),
        ("mifgsm", "MIFGSM", {"momentum": 1.0}, {"decay": 1.0}),
        ("mifgsm", "MIFGSM", {"momentum": 0.5}, {"decay": 0.5}),
    ],
)
def test_iterates_equal_torchattacks(name: str, peer: str, ours: dict, others: dict, targeted: bool) -> None:
    # In float64, where rounding turns no sign; twelve steps of a fifth of eps, so that the ball is met.
    eps = 0.1
    model, x, y = problem = untrained(dtype=torch.float64)
    targets = (y + 3) % 10 if targeted else None
    expected = theirs(peer, problem, targets, eps=eps, alpha=eps / 5, steps=12, **others)
    attack = load_attack(name).with_options(step_size=eps / 5, steps=12, **ours)
    found = attack(model, x, y, eps=eps, targets=targets, full=True)
    assert float((found - expected).abs().max()) <= 1e-5
    assert float((found - x).abs().max()) > 0.05


def test_deepfool_equals_torchattacks_but_for_the_margin() -> None:
    # dlcli and foolbox lengthen a step by 1e-4, as the authors' code does, and torchattacks does not. It clips after every
    # step and they only at the end, which is the same on images far from the bounds.
    model, x, y = problem = grey(digits(dtype=torch.float64))
    attack = load_attack("deepfool").with_options(classes=9)
    assert isinstance(attack, MinimumNorm)
    found, expected = attack.nearest(model, x, y, norm="l2"), theirs("DeepFool", problem, steps=50, overshoot=0.02)
    assert 0 < float(expected.min()) and float(expected.max()) < 1
    assert bool(found.success.all()) and accuracy(problem, expected) == 0
    steps = 6
    assert float((found.images - expected).flatten(1).norm(dim=1).max()) <= steps * 2e-4
    assert float(found.norms.median()) > 0.1


@pytest.mark.parametrize("c", [0.03, 1.0, 3.0])
def test_cw_equals_torchattacks_at_one_weight(c: float) -> None:
    # torchattacks has no search for the weight c, and ends all images of a batch once their common cost rises, which it does
    # late at these c. It draws no value in before the inverse of tanh, dlcli by a thousandth; and it takes 0 for the true
    # class's logit where it looks for the greatest other, hence the lifted logits.
    model, x, y = problem = grey(digits(dtype=torch.float64, lift=100.0))
    expected = theirs("CW", problem, c=c, kappa=0, steps=60, lr=0.02)
    attack = load_attack("cw").with_options(steps=60, learning_rate=0.02, searches=1, first_weight=c)
    assert isinstance(attack, MinimumNorm)
    found = attack.nearest(model, x, y)
    hit = model(expected).argmax(1) != y
    assert bool((hit == found.success).all()) and bool(hit.any())
    ratio = found.norms[hit] / (expected - x)[hit].flatten(1).norm(dim=1)
    assert abs(float(ratio.median()) - 1) <= 1e-3


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.12), ("l2", 0.7)])
def test_square_is_as_strong_as_torchattacks(norm: str, eps: float) -> None:
    # Both draw squares at random; the intervals of their robust accuracies must overlap.
    queries = 200
    model, x, y = problem = digits(images=150)
    ours = load_attack("square").with_options(queries=queries)(model, x, y, eps=eps, norm=norm)
    label = {"linf": "Linf", "l2": "L2"}[norm]
    expected = theirs("Square", problem, norm=label, eps=eps, n_queries=queries - 1, resc_schedule=False)
    one, other = (proportion(accuracy(problem, images), len(x)) for images in (ours, expected))
    assert 0.1 < other.value < 0.9
    assert one.low <= other.high and other.low <= one.high


def grey(problem: Problem) -> Problem:
    """Images between 0.3 and 0.7, and a network that sees in them what it saw in the old ones."""
    model, x, y = problem
    return nn.Sequential(_Stretch(), model).eval(), 0.3 + 0.4 * x, y


class _Stretch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - 0.3) / 0.4
