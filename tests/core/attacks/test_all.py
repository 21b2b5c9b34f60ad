"""What every attack of the registry promises, in one table."""

import copy
import random
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.base import Attack
from dlcli.support.errors import InputError, NumericError, UsageError

Trained = tuple[nn.Module, Tensor, Tensor]
# Transfer needs a network to transfer from: test_transfer.py holds it to what it promises.
NAMES = tuple(name for name in REGISTRY.names() if name != "transfer")
ITERATED = ("apgd-ce", "apgd-dlr", "apgd-t", "bim", "mifgsm", "pgd")
WITH_NORMS = [(name, norm) for name in NAMES for norm in load_attack(name).norms]
every = pytest.mark.parametrize("name", NAMES)
every_norm = pytest.mark.parametrize(("name", "norm"), WITH_NORMS)


def quick(name: str, queries: int = 100) -> Attack:
    """The attack with few steps, for the promises that do not depend on how strong it is."""
    known = {field.name for field in fields(load_attack(name))}
    fewer = {"steps": 30 if name == "cw" else 10, "searches": 5, "classes": 3, "queries": queries}
    return load_attack(name).with_options(**{key: value for key, value in fewer.items() if key in known})


def length(change: Tensor, norm: str) -> Tensor:
    """Of each image's change, (n,)."""
    found: Tensor = change.flatten(1).double().norm({"linf": torch.inf, "l2": 2, "l1": 1}[norm], dim=1)
    return found


def test_the_registry_has_these_attacks() -> None:
    assert set(NAMES) >= {"fgsm", "noise", *ITERATED}


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        load_attack("fgms")
    assert caught.value.hint == "did you mean fgsm?"


@every_norm
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("eps", [0.03, 0.2, 1.0])
def test_images_stay_within_eps_and_bounds(name: str, norm: str, eps: float, full: bool, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:50], trained[2][:50]
    found = quick(name)(model, x, y, eps=eps, norm=norm, full=full)
    assert found.shape == x.shape and found.dtype == x.dtype
    moved = length(found - x, norm)
    assert float(moved.max()) <= eps + 1e-6
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    # An attack that uses its allowance, not a copy; the bounds may cost a Euclidean step some of its length.
    assert float(moved.max()) > (0.9 if full else 0.15) * eps * (1 if norm == "linf" else 0.7)


@pytest.mark.parametrize(("name", "norm"), [case for case in WITH_NORMS if load_attack(case[0]).knowledge != "labels"])
def test_every_step_is_held_too(name: str, norm: str, trained: Trained) -> None:
    """What a success is decided on is the image that comes out: it was never outside."""
    model, x, y = trained[0], trained[1][:50], trained[2][:50]
    seen: list[Tensor] = []
    hook = model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    try:
        quick(name)(model, x, y, eps=0.3, norm=norm, full=True)
    finally:
        hook.remove()
    for images in (images for images in seen if len(images) == 50):
        assert float(length(images - x, norm).max()) <= 0.3 + 1e-6
        assert float(images.min()) >= 0 and float(images.max()) <= 1


@every
def test_other_bounds_hold_too(name: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:20] * 2 - 1, trained[2][:20]
    found = quick(name)(model, x, y, eps=0.5, bounds=(-1.0, 1.0), full=True)
    assert float(found.min()) == -1 and float(found.max()) == 1


@every_norm
@pytest.mark.parametrize("full", [False, True])
def test_eps_0_gives_the_clean_images(name: str, norm: str, full: bool, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:20], trained[2][:20]
    assert torch.equal(quick(name)(model, x, y, eps=0, norm=norm, full=full), x)


@every
def test_the_model_is_left_as_it_was(name: str, trained: Trained) -> None:
    model = copy.deepcopy(trained[0]).train()
    model[1].eval()
    model[0].bias.requires_grad_(False)
    model[5].weight.grad = torch.ones_like(model[5].weight)
    modes = [module.training for module in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    x = trained[1][:20].clone()
    quick(name)(model, x, trained[2][:20], eps=0.2)
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
        quick(name)(model, torch.zeros(3, 1, 5, 5), torch.zeros(3, dtype=torch.int64), eps=0.1)
    assert model.training and all(p.requires_grad for p in model.parameters())


class _Drawing(nn.Module):
    """Uses every global random state while it computes."""

    def forward(self, x: Tensor) -> Tensor:
        random.random()
        np.random.rand()  # noqa: NPY002
        torch.rand(1)
        return x.flatten(1) * 2


@every
def test_random_states_are_left_as_they_were(name: str) -> None:
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    quick(name)(_Drawing(), torch.rand(5, 1, 2, 2, generator=torch.Generator()), torch.zeros(5).long(), eps=0.1)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    assert before == after


@every
@pytest.mark.parametrize("n", [0, 1, 7])
def test_the_same_seed_gives_the_same_images(name: str, n: int, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:n], trained[2][:n]
    first = quick(name)(model, x, y, eps=0.1, seed=3)
    torch.rand(7)
    assert torch.equal(quick(name)(model, x, y, eps=0.1, seed=3), first)
    assert len(first) == n


class _OneByOne(nn.Module):
    """Passes each image through a network by itself, so that the rounding of its products does not depend on the batch."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.model(image) for image in x.split(1)])


@every_norm
@pytest.mark.parametrize("full", [False, True])
def test_an_image_is_attacked_alike_whatever_it_stands_beside(name: str, norm: str, full: bool, trained: Trained) -> None:
    """To the bit, in float32: parts of any size, a subset in another order, and batches of any size."""
    model, x, y = _OneByOne(trained[0]), trained[1][:6], trained[2][:6]
    eps, places = {"linf": 0.15, "l2": 1.0, "l1": 5.0}[norm], torch.arange(6)

    def found(which: Tensor, first: int | Tensor, batch_size: int = 128) -> Tensor:
        return quick(name)(model, x[which], y[which], eps=eps, norm=norm, full=full, first=first, batch_size=batch_size)

    whole = found(places, 0)
    for sizes in ([1, 2, 3], [1] * 6):
        assert torch.equal(torch.cat([found(part, int(part[0])) for part in places.split(sizes)]), whole)
    some = torch.tensor([5, 1, 4])
    assert torch.equal(found(some, some), whole[some])
    assert all(torch.equal(found(places, 0, batch_size), whole) for batch_size in (4, 1))


@pytest.mark.parametrize("name", [name for name in NAMES if load_attack(name).min_classes <= 2])
def test_two_classes_and_float64(name: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).double()
    weights = torch.tensor([[1.0, -1.0, 0.5, -0.5], [-1.0, 1.0, -0.5, 0.5]]).double()
    model[1].load_state_dict({"weight": weights, "bias": torch.tensor([0.2, 0.0])})
    x = torch.full((6, 1, 2, 2), 0.5, dtype=torch.float64)
    x[1::2] += 0.1 * weights[1].sign().view(1, 2, 2)  # every image is right and within reach of being wrong
    attack = quick(name, queries=1000)
    found = attack(model, x, torch.tensor([0, 1, 0, 1, 0, 1]), eps=0.25, full=True)
    assert found.dtype == torch.float64
    assert torch.allclose(length(found - x, attack.norm), torch.full((6,), 0.25, dtype=torch.float64), atol=1e-9)


@every
def test_it_works_where_gradients_are_off(name: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:8], trained[2][:8]
    outside = quick(name)(model, x, y, eps=0.1)
    with torch.no_grad():
        assert torch.equal(quick(name)(model, x, y, eps=0.1), outside)


@every
def test_progress_counts_images(name: str, trained: Trained) -> None:
    class Counter:
        done = 0

        def advance(self, steps: int = 1) -> None:
            self.done += steps

        def set_status(self, text: str) -> None:
            step, of = (int(part) for part in text.removeprefix("step ").replace(",", "").split(" of "))
            assert 1 <= step <= of

    task = Counter()
    quick(name)(trained[0], trained[1][:50], trained[2][:50], eps=0.1, batch_size=16, task=task)
    assert task.done == 50


class _Returns(nn.Module):
    def __init__(self, what: object) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> object:
        return self.what


@pytest.mark.parametrize("name", [name for name in NAMES if load_attack(name).min_classes > 2])
def test_a_network_of_too_few_classes_is_refused(name: str) -> None:
    least = load_attack(name).min_classes
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, least - 1))
    with pytest.raises(InputError) as caught:
        quick(name)(model, torch.zeros(2, 1, 2, 2), torch.zeros(2).long(), eps=0.1)
    assert caught.value.message == f"the attack {name} needs {least} classes, the model has {least - 1}"
    wide = nn.Sequential(nn.Flatten(), nn.Linear(4, least))
    quick(name)(wide, torch.zeros(2, 1, 2, 2), torch.zeros(2).long(), eps=0.1)


@every
def test_a_target_is_reached_or_refused(name: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:60], trained[2][:60]
    attack, targets = quick(name, queries=1000), (y + 1) % 10
    if not attack.targeted:
        with pytest.raises(UsageError) as caught:
            attack(model, x, y, eps=0.3, targets=targets)
        assert f"the attack {name} " in caught.value.message
        return
    for norm in attack.norms:
        with torch.no_grad():
            before, hit = (
                model(images).argmax(1) == targets
                for images in (
                    x,
                    attack(model, x, y, eps={"linf": 0.3, "l2": 2.0, "l1": 10.0}[norm], norm=norm, targets=targets),
                )
            )
        # FGSM's one step overshoots; the others reach most.
        assert float(hit.double().mean()) > float(before.double().mean()) + (0.15 if name == "fgsm" else 0.6)


@every
def test_an_unknown_norm_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        quick(name)(GOOD, X, Y, eps=0.1, norm="l7")
    assert caught.value.message == f"the attack {name} does not support the norm 'l7'" and load_attack(name).norm in (
        caught.value.hint or ""
    )


TARGETS = {
    "its own label": (torch.tensor([1, 2, 2]), "the target of image 2 is its own label, 2"),
    "too large": (torch.tensor([1, 2, 4]), "a target is 4, but the model has 4 outputs"),
    "negative": (torch.tensor([1, 2, -1]), "a target is -1"),
    "fewer": (torch.tensor([1, 2]), "the targets are 2 of int64 for 3 images"),
}


@pytest.mark.parametrize("case", TARGETS)
@pytest.mark.parametrize("name", [name for name in NAMES if load_attack(name).targeted])
def test_bad_targets_are_refused(name: str, case: str) -> None:
    targets, words = TARGETS[case]
    with pytest.raises(InputError) as caught:
        quick(name)(GOOD, X, Y, eps=0.1, targets=targets)
    assert words in caught.value.message and caught.value.hint


X, Y = torch.full((3, 1, 2, 2), 0.5), torch.tensor([0, 1, 2])
GOOD = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
BAD = {
    "tuple": (_Returns((X, X)), X, Y, InputError, "returns a tuple"),
    "dict": (_Returns({"logits": X}), X, Y, InputError, "returns a dict"),
    "image": (_Returns(X[:1]), X, Y, InputError, "returns 1x1x2x2 of float32 for 1 image"),
    "labels": (_Returns(torch.zeros(1, 3).long()), X, Y, InputError, "1x3 of int64"),
    "NaN logits": (_Returns(torch.full((1, 3), torch.nan)), X, Y, NumericError, "logits are NaN or infinite for 1 of 1"),
    "few outputs": (GOOD, X, torch.tensor([0, 1, 4]), InputError, "has 4 outputs, but labels go up to 4"),
    "wrong shape": (GOOD, torch.zeros(3, 1, 4, 4), Y, InputError, "fails on images of shape 1x4x4 (float32): "),
    "wrong type": (GOOD, X.double(), Y, InputError, "fails on images of shape 1x2x2 (float64)"),
    "too bright": (GOOD, X * 510, Y, InputError, "range from 255 to 255, outside the bounds 0 to 1"),
    "too dark": (GOOD, X - 1, Y, InputError, "range from -0.5 to -0.5"),
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
        quick(name)(model, x, y, eps=0.1)
    assert words in caught.value.message and "\n" not in caught.value.message
    assert caught.value.hint


@every
@pytest.mark.parametrize("options", [{"eps": -1}, {"eps": float("nan")}, {"eps": 0.1, "bounds": (1.0, 0.0)}])
def test_bad_options_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        quick(name)(GOOD, X, Y, **options)


def test_a_place_is_at_least_0_and_each_image_has_one() -> None:
    images, labels = torch.zeros(2, 1, 2, 2), torch.zeros(2).long()
    with pytest.raises(UsageError, match="`first` is -1"):
        load_attack("noise")(nn.Flatten(), images, labels, eps=0.1, first=-1)
    with pytest.raises(InputError, match="the places are"):
        load_attack("noise")(nn.Flatten(), images, labels, eps=0.1, first=torch.zeros(3).long())


def test_batch_size_0_is_refused() -> None:
    with pytest.raises(UsageError):
        load_attack("fgsm")(GOOD, X, Y, eps=0.1, batch_size=0)


def test_listing_attacks_imports_no_torch() -> None:
    code = "import sys, dlcli.core.attacks as a; print(a.REGISTRY.names()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(("name", "norm"), [case for case in WITH_NORMS if case[0] != "auto"])  # made of some of the others
def test_a_device_without_float64_gives_the_same_images(
    name: str, norm: str, trained: Trained, no_float64: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)  # in float32 here too
    attack = replace(quick(name, queries=20), **({"steps": 3} if name in ("cw", "fab", "fab-t") else {}))
    model, x, y = trained[0], trained[1][:6], trained[2][:6]
    there = copy.deepcopy(model).to(no_float64)
    for full in (False, True):
        expected = attack(model, x, y, eps=0.2, norm=norm, full=full)
        assert torch.equal(attack(there, x, y, eps=0.2, norm=norm, full=full), expected)
    found = attack(there, x.to(no_float64), y.to(no_float64), eps=0.2, norm=norm, full=True)
    assert found.device == no_float64 and torch.equal(found.cpu(), expected)


class _Breaks(nn.Module):
    """A network that breaks after some passes, for one image in three, and remembers how it looked first."""

    def __init__(self, model: nn.Module, how: str, after: int) -> None:
        super().__init__()
        self.model, self.how, self.after, self.passes, self.first = model, how, after, 0, ""

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        logits = self.model(x)
        if self.passes <= self.after:
            return logits
        bad = torch.arange(len(x)) % 3 == 0
        if self.how == "gradient":  # that of the square root of 0
            return logits + 0 * torch.where(bad[:, None], x.flatten(1).sum(1, keepdim=True).mul(0).sqrt(), 0)
        broken = f"the model's logits are NaN or infinite for {int(bad.sum())} of {len(x)} image" + "s" * (len(x) > 1)
        self.first = self.first or broken
        return logits.masked_fill(bad[:, None], torch.nan)


BREAKS = [(name, "logits") for name in NAMES if name != "auto"]  # which is made of some of the others
BREAKS += [(name, "gradient") for name, _ in BREAKS if load_attack(name).knowledge == "gradients"]


@pytest.mark.parametrize(("name", "how"), BREAKS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("after", [0, 6])
def test_a_network_that_breaks_is_refused_with_what_was_first_wrong(
    name: str, how: str, after: int, full: bool, trained: Trained
) -> None:
    attack, model = quick(name), _Breaks(trained[0], how, after)
    if name in ITERATED:
        attack = attack.with_options(precision="float32")  # before a step in bfloat16 it is tried, and a failure is no error
    try:
        attack(model, trained[1][:20], trained[2][:20], eps=0.05, full=full, batch_size=8)
    except NumericError as error:
        assert error.message == (model.first or "the gradient in the images is NaN") and error.hint
        assert model.passes <= after + 33  # logits are checked in every pass, and 32 checks are looked at together
    else:
        assert after and model.passes <= after + 2  # done before the network broke, or with gradients no longer needed


class _Room(nn.Module):
    """A network for which `most` images fit in memory."""

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model, self.most, self.refused = model, most, 0

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            self.refused += 1
            raise torch.OutOfMemoryError("out of memory")
        return self.model(x)


@every
@pytest.mark.parametrize("full", [False, True])
def test_a_batch_that_does_not_fit_in_memory_is_halved(name: str, full: bool, trained: Trained) -> None:
    model, x, y = _OneByOne(trained[0]), trained[1][:12], trained[2][:12]
    attack, small, eps = quick(name), _Room(model, 3), 0.1
    expected = attack(model, x, y, eps=eps, full=full)
    found = attack(small, x, y, eps=eps, full=full)
    # At most 60 images at a time, and half of that until 2 are left: none is refused twice.
    assert (name == "noise") == (small.refused == 0) and small.refused <= 5
    assert torch.equal(found, expected)
