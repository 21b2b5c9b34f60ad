"""What the base class does for an attack that keeps no promise itself."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import RowGenerators, SingleStep, ThreatModel
from dlcli.support.errors import NumericError, UsageError

MODEL = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
X, Y = torch.tensor([0.0, 0.3, 0.5, 1.0]).reshape(1, 1, 2, 2).repeat(3, 1, 1, 1), torch.tensor([0, 1, 0])


@dataclass(frozen=True)
class Wild(SingleStep):
    """Adds `change` to every value, whatever eps is."""

    change: float

    norms = ("linf", "l2")

    def run(
        self, model: nn.Module, x: Tensor, y: Tensor, targets: Tensor | None, *, threat: ThreatModel, generators: RowGenerators
    ) -> Tensor:
        assert not model.training and not any(p.requires_grad for p in model.parameters())
        return x + self.change


def test_what_goes_beyond_eps_or_the_bounds_is_brought_back() -> None:
    up, down = Wild(9.0)(MODEL, X, Y, eps=0.4), Wild(-9.0)(MODEL, X, Y, eps=0.4)
    assert torch.allclose(up[0].flatten(), torch.tensor([0.4, 0.7, 0.9, 1.0]))
    assert torch.allclose(down[0].flatten(), torch.tensor([0.0, 0.0, 0.1, 0.6]))


def test_what_is_within_them_is_left() -> None:
    assert torch.allclose(Wild(0.25)(MODEL, X[..., :1, :].expand(3, 1, 2, 2), Y, eps=0.4)[0, 0, 0], torch.tensor([0.25, 0.55]))


def test_images_of_nan_never_come_out() -> None:
    with pytest.raises(NumericError):
        Wild(float("nan"))(MODEL, X, Y, eps=0.4)


def test_in_l2_it_is_brought_back_along_the_line() -> None:
    found = Wild(9.0)(MODEL, X, Y, eps=0.4, norm="l2", bounds=(-20.0, 20.0))
    assert torch.allclose(found, X + 0.2, atol=1e-6)


def test_options_are_set_on_a_copy() -> None:
    attack = load_attack("pgd")
    assert attack.with_options(steps=7, restarts=None).steps == 7 and attack.steps == 40
    assert attack.with_options(steps=None) == attack


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("fgsm", {"steps": 3}, "the attack fgsm has no setting `steps`"),
        ("bim", {"restarts": 3}, "the attack bim has no setting `restarts`"),
        ("pgd", {"steps": 0}, "`steps` is 0"),
        ("pgd", {"steps": 2.5}, "`steps` is 2.5"),
        ("pgd", {"restarts": -1}, "`restarts` is -1"),
        ("apgd-ce", {"restarts": 0}, "`restarts` is 0"),
        ("apgd-t", {"classes": 0}, "`classes` is 0"),
        ("pgd", {"step_size": 0.0}, "`step_size` must be above 0, not 0.0"),
        ("pgd", {"precision": "half"}, "`precision` must be one of fast, float32, not 'half'"),
        ("mifgsm", {"momentum": -1.0}, "`momentum` must be at least 0, not -1.0"),
    ],
)
def test_options_that_an_attack_has_not_or_cannot_take_are_refused(name: str, options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_attack(name).with_options(**options)
    assert words in caught.value.message and caught.value.hint or "precision" in words
