"""Transfer: exactly the images that the method makes of the surrogate, or those that were saved."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.query_count import QueryCounter
from dlcli.support.errors import InputError, UsageError

Trained = tuple[nn.Module, Tensor, Tensor]


class Refuses(nn.Module):
    """A network that answers once, to the checks, and may not be asked again."""

    asked = 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked += len(x)
        assert self.asked == 1
        return torch.zeros(len(x), 10)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("method", ["pgd", "fgsm", load_attack("mifgsm").with_options(steps=3)])
def test_they_are_the_full_images_of_the_surrogate(norm: str, method: object, trained: Trained) -> None:
    surrogate, x, y = trained[0], trained[1][:20], trained[2][:20]
    attack = load_attack(method) if isinstance(method, str) else method
    for targets in (None, (y + 1) % 10):
        options = {"eps": 0.2, "norm": norm, "seed": 4, "targets": targets}
        found = load_attack("transfer").with_options(surrogate=surrogate, method=method)(Refuses(), x, y, **options)
        assert torch.equal(found, attack(surrogate, x, y, **options, full=True))


def test_random_starts_are_those_of_the_places(trained: Trained) -> None:
    surrogate, x, y = copy.deepcopy(trained[0]).double(), trained[1][:6].double(), trained[2][:6]
    attack = load_attack("transfer").with_options(surrogate=surrogate, method="pgd")
    whole, end = attack(Refuses(), x, y, eps=0.2), attack(Refuses(), x[4:], y[4:], eps=0.2, first=4)
    assert torch.equal(end, whole[4:])


def test_saved_images_come_out_as_they_are(trained: Trained) -> None:
    x, y = trained[1][:20], trained[2][:20]
    saved = load_attack("pgd")(trained[0], x, y, eps=0.1, full=True)
    attack = load_attack("transfer").with_options(saved=saved)
    assert torch.equal(attack(Refuses(), x, y, eps=0.1), saved)
    assert torch.equal(attack(Refuses(), x, y, eps=0.3), saved)
    double = load_attack("transfer").with_options(saved=saved.double())(Refuses(), x, y, eps=0.1)
    assert torch.equal(double, saved)


def test_the_surrogate_is_left_as_it_was(trained: Trained) -> None:
    surrogate = copy.deepcopy(trained[0]).train()
    load_attack("transfer").with_options(surrogate=surrogate)(Refuses(), trained[1][:5], trained[2][:5], eps=0.1)
    assert surrogate.training and all(p.requires_grad for p in surrogate.parameters())
    assert all(
        torch.equal(a, b) for a, b in zip(surrogate.state_dict().values(), trained[0].state_dict().values(), strict=True)
    )


def test_the_network_under_attack_is_asked_nothing(trained: Trained) -> None:
    target, surrogate = QueryCounter(trained[0]), QueryCounter(trained[0])
    load_attack("transfer").with_options(surrogate=surrogate)(target, trained[1][:5], trained[2][:5], eps=0.1)
    assert (target.forwards, target.backwards) == (1, 0)
    assert surrogate.forwards >= 5 * 40


def test_without_either_or_with_both_it_is_refused(trained: Trained) -> None:
    x, y = trained[1][:3], trained[2][:3]
    with pytest.raises(UsageError) as caught:
        load_attack("transfer")(trained[0], x, y, eps=0.1)
    assert caught.value.message == "the attack transfer needs a surrogate or saved images" and "surrogate" in (
        caught.value.hint or ""
    )
    with pytest.raises(UsageError) as caught:
        load_attack("transfer").with_options(surrogate=trained[0], saved=x)
    assert "one of the two" in (caught.value.hint or "")


BAD = {
    "another number": (lambda x: x[:2], "the saved images are 2x1x8x8 of float32, the images 3x1x8x8"),
    "bytes": (lambda x: (x * 255).to(torch.uint8), "of uint8"),
    "another order": (lambda x: x.flip(0), "2 of 3 saved images differ from the clean ones by more than eps 0.1 (linf)"),
    "another eps": (lambda x: (x - 0.2).clamp(0, 1), "3 of 3 saved images differ"),
    "NaN": (lambda x: x * torch.nan, "3 of 3 saved images differ"),
}


@pytest.mark.parametrize("case", BAD)
def test_saved_images_of_other_images_are_refused(case: str, trained: Trained) -> None:
    change, words = BAD[case]
    x, y = trained[1][:3], trained[2][:3]
    with pytest.raises(InputError) as caught:
        load_attack("transfer").with_options(saved=change(x))(trained[0], x, y, eps=0.1)
    assert words in caught.value.message and caught.value.hint


def test_a_method_that_cannot_is_named(trained: Trained) -> None:
    attack = load_attack("transfer").with_options(surrogate=trained[0], method="genetic")
    with pytest.raises(UsageError) as caught:
        attack(trained[0], trained[1][:3], trained[2][:3], eps=0.1, norm="l2")
    assert caught.value.message == "the attack genetic does not support the norm 'l2'"


def test_a_surrogate_that_does_not_fit_is_refused(trained: Trained) -> None:
    attack = load_attack("transfer").with_options(surrogate=nn.Sequential(nn.Flatten(), nn.Linear(3, 10)))
    with pytest.raises(InputError):
        attack(trained[0], trained[1][:3], trained[2][:3], eps=0.1)


def test_progress_counts_images(trained: Trained) -> None:
    class Task:
        done = 0

        def advance(self, steps: int = 1) -> None:
            self.done += steps

        def set_status(self, text: str) -> None:
            pass

    x, y = trained[1][:12], trained[2][:12]
    for options in ({"surrogate": trained[0]}, {"saved": x}):
        task = Task()
        load_attack("transfer").with_options(**options)(trained[0], x, y, eps=0.1, task=task)
        assert task.done == 12
