"""What every attack of the registry promises, in one table."""

import copy
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.support.errors import InputError, NumericError, UsageError

Trained = tuple[nn.Module, Tensor, Tensor]
NAMES = REGISTRY.names()
every = pytest.mark.parametrize("name", NAMES)


def test_the_registry_has_these_attacks() -> None:
    assert set(NAMES) >= {"fgsm", "noise"}


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        load_attack("fgms")
    assert caught.value.hint == "did you mean fgsm?"


@every
@pytest.mark.parametrize("eps", [0.03, 0.2, 1.0])
def test_images_stay_within_eps_and_bounds(name: str, eps: float, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:50], trained[2][:50]
    found = load_attack(name)(model, x, y, eps=eps)
    assert found.shape == x.shape and found.dtype == x.dtype
    assert float((found - x).abs().max()) <= eps + 1e-6
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    assert float((found - x).abs().max()) > 0.9 * eps  # an attack that uses its allowance, not a copy


@every
def test_other_bounds_hold_too(name: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:20] * 2 - 1, trained[2][:20]
    found = load_attack(name)(model, x, y, eps=0.5, bounds=(-1.0, 1.0))
    assert float(found.min()) == -1 and float(found.max()) == 1


@every
def test_eps_0_gives_the_clean_images(name: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:20], trained[2][:20]
    assert torch.equal(load_attack(name)(model, x, y, eps=0), x)


@every
def test_the_model_is_left_as_it_was(name: str, trained: Trained) -> None:
    model = copy.deepcopy(trained[0]).train()
    model[1].eval()
    model[0].bias.requires_grad_(False)
    model[5].weight.grad = torch.ones_like(model[5].weight)
    modes = [module.training for module in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    x = trained[1][:20].clone()
    load_attack(name)(model, x, trained[2][:20], eps=0.2)
    assert [module.training for module in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True, True, True]
    assert [p.grad is not None for p in model.parameters()] == [False, False, False, False, True, False]
    assert torch.equal(model[5].weight.grad, torch.ones_like(model[5].weight))
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(x, trained[1][:20]) and not x.requires_grad


@every
def test_the_model_is_left_as_it_was_after_an_error(name: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).train()
    with pytest.raises(InputError):
        load_attack(name)(model, torch.zeros(3, 1, 5, 5), torch.zeros(3, dtype=torch.int64), eps=0.1)
    assert model.training and all(p.requires_grad for p in model.parameters())


class _Drawing(nn.Module):
    """Uses every global random state while it computes."""

    def forward(self, x: Tensor) -> Tensor:
        random.random()
        np.random.rand()  # noqa: NPY002
        torch.rand(1)
        return x.flatten(1)[:, :2] * 2


@every
def test_random_states_are_left_as_they_were(name: str) -> None:
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    load_attack(name)(_Drawing(), torch.rand(5, 1, 2, 2, generator=torch.Generator()), torch.zeros(5).long(), eps=0.1)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    assert before == after


@every
@pytest.mark.parametrize("n", [0, 1, 7])
def test_the_same_seed_gives_the_same_images(name: str, n: int, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:n], trained[2][:n]
    first = load_attack(name)(model, x, y, eps=0.1, seed=3)
    torch.rand(7)
    assert torch.equal(load_attack(name)(model, x, y, eps=0.1, seed=3), first)
    assert len(first) == n


@every
def test_the_size_of_batches_does_not_matter(name: str, trained: Trained) -> None:
    # In float64, where sums taken in another order do not turn the sign of a gradient.
    model, x, y = copy.deepcopy(trained[0]).double(), trained[1][:30].double(), trained[2][:30]
    whole = load_attack(name)(model, x, y, eps=0.1, batch_size=128)
    assert torch.equal(load_attack(name)(model, x, y, eps=0.1, batch_size=7), whole)
    assert torch.equal(load_attack(name)(model, x, y, eps=0.1, batch_size=1), whole)


@every
def test_two_classes_and_float64(name: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).double()
    x = torch.full((6, 1, 2, 2), 0.5, dtype=torch.float64)
    found = load_attack(name)(model, x, torch.tensor([0, 1, 0, 1, 0, 1]), eps=0.25)
    assert found.dtype == torch.float64
    assert torch.allclose((found - x).abs(), torch.full_like(x, 0.25), atol=1e-12)


@every
def test_it_works_where_gradients_are_off(name: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:8], trained[2][:8]
    outside = load_attack(name)(model, x, y, eps=0.1)
    with torch.no_grad():
        assert torch.equal(load_attack(name)(model, x, y, eps=0.1), outside)


@every
def test_progress_counts_images(name: str, trained: Trained) -> None:
    class Counter:
        done = 0

        def advance(self, steps: int = 1) -> None:
            self.done += steps

        def say(self, text: str) -> None:
            raise AssertionError(text)

    task = Counter()
    load_attack(name)(trained[0], trained[1][:50], trained[2][:50], eps=0.1, batch_size=16, task=task)
    assert task.done == 50


class _Returns(nn.Module):
    def __init__(self, what: object) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> object:
        return self.what


X, Y = torch.full((3, 1, 2, 2), 0.5), torch.tensor([0, 1, 2])
GOOD = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
BAD = {
    "tuple": (_Returns((X, X)), X, Y, InputError, "returns a tuple"),
    "dict": (_Returns({"logits": X}), X, Y, InputError, "returns a dict"),
    "image": (_Returns(X[:1]), X, Y, InputError, "returns 1x1x2x2 of float32 for 1 images"),
    "labels": (_Returns(torch.zeros(1, 3).long()), X, Y, InputError, "1x3 of int64"),
    "NaN logits": (_Returns(torch.full((1, 3), torch.nan)), X, Y, NumericError, "logits are NaN or infinite for 1 of 1"),
    "few outputs": (GOOD, X, torch.tensor([0, 1, 3]), InputError, "has 3 outputs, but labels go up to 3"),
    "wrong shape": (GOOD, torch.zeros(3, 1, 4, 4), Y, InputError, "fails on images of shape 1x4x4 (float32): "),
    "wrong type": (GOOD, X.double(), Y, InputError, "fails on images of shape 1x2x2 (float64)"),
    "too bright": (GOOD, X * 510, Y, InputError, "reach from 255 to 255, outside the bounds 0 to 1"),
    "too dark": (GOOD, X - 1, Y, InputError, "reach from -0.5 to -0.5"),
    "NaN images": (GOOD, X * torch.nan, Y, InputError, "images contain NaN"),
    "bytes": (GOOD, X.to(torch.uint8), Y, InputError, "images are uint8"),
    "float labels": (GOOD, X, Y.float(), InputError, "labels are 3 of float32"),
    "fewer labels": (GOOD, X, Y[:2], InputError, "labels are 2 of int64 for 3 images"),
    "negative label": (GOOD, X, Y - 1, InputError, "a label is -1"),
}


@every
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(name: str, case: str) -> None:
    model, x, y, kind, words = BAD[case]
    with pytest.raises(kind) as caught:
        load_attack(name)(model, x, y, eps=0.1)
    assert words in caught.value.message and "\n" not in caught.value.message
    assert caught.value.hint


@every
@pytest.mark.parametrize("options", [{"eps": -1}, {"eps": float("nan")}, {"eps": 0.1, "bounds": (1.0, 0.0)}])
def test_bad_options_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        load_attack(name)(GOOD, X, Y, **options)


def test_batch_size_0_is_refused() -> None:
    with pytest.raises(UsageError):
        load_attack("fgsm")(GOOD, X, Y, eps=0.1, batch_size=0)


def test_listing_attacks_imports_no_torch() -> None:
    code = "import sys, dlcli.core.attacks as a; print(a.REGISTRY.names()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
