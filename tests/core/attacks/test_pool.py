"""The pool against a loop that attacks each image alone and never stops early."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.gradient import fastest_forward_mode, loss_gradient_at
from dlcli.core.attacks.iterated import random_points
from dlcli.core.attacks.methods.pgd import PGD
from dlcli.core.compute.rng import generator
from dlcli.support.errors import ResourceError
from dlcli.support.seeds import derive

Trained = tuple[nn.Module, Tensor, Tensor]
EPS, STEPS, SEED = 0.15, 8, 11


@dataclass(frozen=True)
class Alone:
    """What a plain loop finds of one image: the first iterate that is misclassified, and where and how each run ends."""

    first: Tensor | None
    ends: list[tuple[float, Tensor]]


def iterates(model: nn.Module, x: Tensor, y: Tensor, start: Tensor) -> Iterator[Tensor]:
    """PGD in linf as in equation 2 of Madry et al., one image (1, ...), the start and each step."""
    found = torch.clamp(start, 0, 1)
    yield found
    for _ in range(STEPS):
        found = found.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(cross_entropy(model(found), y), found)
        found = (x + (found.detach() + 2.5 * EPS / STEPS * gradient.sign() - x).clamp(-EPS, EPS)).clamp(0, 1)
        yield found


def alone(model: nn.Module, x: Tensor, y: Tensor, index: int, restarts: int) -> Alone:
    first: Tensor | None = x if int(model(x).argmax(1)) != int(y) else None
    ends = []
    for run in range(restarts):
        drawn = torch.rand(x.shape[1:], generator=generator(derive(SEED, "start", index, run)), dtype=torch.float64)
        for image in iterates(model, x, y, x + EPS * (2 * drawn - 1)):
            if first is None and int(model(image).argmax(1)) != int(y):
                first = image
        ends.append((float(cross_entropy(model(image), y)), image))
    return Alone(first, ends)


@pytest.fixture(scope="module")
def problem(trained: Trained) -> tuple[nn.Module, Tensor, Tensor, list[Alone]]:
    model, x, y = copy.deepcopy(trained[0]).double().requires_grad_(False), trained[1][:40].double(), trained[2][:40].clone()
    y[3] = (y[3] + 1) % 10  # one that is wrong before the attack
    return model, x, y, [alone(model, x[k : k + 1], y[k : k + 1], k, 3) for k in range(len(x))]


@given(size=st.integers(1, 50), restarts=st.integers(1, 3))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_results_are_those_of_each_image_alone(size: int, restarts: int, problem: tuple) -> None:
    model, x, y, all_runs = problem
    expected_runs = [
        one if restarts == 3 else alone(model, x[k : k + 1], y[k : k + 1], k, restarts) for k, one in enumerate(all_runs)
    ]
    found = PGD(steps=STEPS, restarts=restarts)(model, x, y, eps=EPS, seed=SEED, batch_size=size)
    fooled = model(found).argmax(1) != y
    assert fooled.tolist() == [one.first is not None for one in expected_runs]
    assert 0.2 < float(fooled.double().mean()) < 0.9
    for image, one in zip(found, expected_runs, strict=True):
        expected = one.first if one.first is not None else max(one.ends, key=lambda end: end[0])[1]
        assert torch.allclose(image, expected[0], atol=1e-12)


@pytest.mark.parametrize("size", [7, 64])
def test_in_full_each_image_takes_all_steps_and_keeps_the_worst_end(size: int, problem: tuple) -> None:
    model, x, y, expected_runs = problem
    found = PGD(steps=STEPS, restarts=3)(model, x, y, eps=EPS, seed=SEED, batch_size=size, full=True)
    expected = torch.cat([max(one.ends, key=lambda end: end[0])[1] for one in expected_runs])
    assert torch.allclose(found, expected, atol=1e-12)
    once = PGD(steps=STEPS)(model, x, y, eps=EPS, seed=SEED, batch_size=size, full=True)
    assert torch.allclose(once, torch.cat([one.ends[0][1] for one in expected_runs]), atol=1e-12)


def test_restarts_never_lower_the_success(problem: tuple) -> None:
    model, x, y, _ = problem
    before = torch.zeros(len(x), dtype=torch.bool)
    for restarts in (1, 2, 4):
        found = PGD(steps=3, restarts=restarts)(model, x, y, eps=EPS, seed=SEED)
        fooled = model(found).argmax(1) != y
        assert bool((fooled | ~before).all())
        before = fooled


def test_an_image_that_is_fooled_costs_no_more_steps(problem: tuple) -> None:
    model, x, y, _ = problem
    seen = []
    hook = model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    try:
        PGD(steps=STEPS)(model, x, y, eps=EPS, seed=SEED)
        pooled, seen[:] = sum(seen), []
        PGD(steps=STEPS)(model, x, y, eps=EPS, seed=SEED, full=True)
    finally:
        hook.remove()
    first = 2  # one image is looked at by the checks, one to try the mode
    assert sum(seen) == len(x) * STEPS + first
    assert pooled < sum(seen)


def test_the_random_start_is_that_of_the_image_whatever_came_before(problem: tuple) -> None:
    model, x, y, _ = problem
    attack = PGD(steps=STEPS)
    few = attack(model, x[:10], y[:10], eps=EPS, seed=SEED)
    assert torch.equal(few, attack(model, x, y, eps=EPS, seed=SEED)[:10])
    assert not torch.equal(few, attack(model, x[:10], y[:10], eps=EPS, seed=SEED + 1))


class _Close(nn.Module):
    """Two logits near 100, the second the larger while the one pixel is below 0.2; bfloat16 cannot tell them apart."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(1, 2)
        self.out.weight.data = torch.tensor([[1.0], [0.0]])
        self.out.bias.data = torch.tensor([100.0, 100.2])

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x.flatten(1))


def test_a_success_in_bfloat16_alone_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlcli.core.attacks.gradient.fast_dtype", lambda device: torch.bfloat16)
    model, x, y = _Close(), torch.linspace(0, 0.19, 16).reshape(-1, 1, 1, 1), torch.ones(16, dtype=torch.int64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert bool((model(x).argmax(1) != y).all())
    for name in ("bim", "pgd", "mifgsm", "apgd-ce"):
        found = load_attack(name)(model, x, y, eps=0.9)
        assert bool((model(found).argmax(1) == 0).all())  # all can be reached, and so all must be, in float32


class _Views(nn.Module):
    """A network that takes views: it fails on channels_last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Linear(36, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.conv(x).view(len(x), -1))


class _OneType(nn.Module):
    """A network that adds to a sum of its own type: it fails on mixed types."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(75, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 4).index_add(1, torch.arange(4), self.out(x.flatten(1)))


@pytest.mark.parametrize("model", [_Views(), _OneType()])
def test_a_network_that_fails_in_the_fastest_mode_is_attacked_in_another(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlcli.core.attacks.gradient.fast_dtype", lambda device: torch.bfloat16)
    x, y = torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 3, 0, 1])
    found = load_attack("pgd")(model, x, y, eps=0.1, full=True)
    loss = [loss_gradient_at(model, images, lambda z: cross_entropy(z, y, reduction="none")).loss for images in (x, found)]
    assert bool((loss[1] > loss[0]).all())


def test_the_fastest_mode_that_runs_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlcli.core.attacks.gradient.fast_dtype", lambda device: torch.bfloat16)
    x = torch.rand(1, 3, 5, 5)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(36, 4))
    assert (fastest_forward_mode(net, x, fast=True).dtype, fastest_forward_mode(net, x, fast=True).layout) == (
        torch.bfloat16,
        torch.channels_last,
    )
    assert fastest_forward_mode(net, x, fast=False).dtype is None
    assert fastest_forward_mode(net.double(), x.double(), fast=True).dtype is None
    assert fastest_forward_mode(_Views(), x, fast=True).layout == torch.preserve_format
    assert fastest_forward_mode(_OneType(), x, fast=True).dtype is None


def test_a_random_point_is_in_the_ball() -> None:
    from dlcli.core.attacks.base import ThreatModel

    clean, threat = torch.rand(50, 2, 3), ThreatModel("l2", 0.5, (0.0, 1.0))
    assert float((random_points(clean, threat, generator) - clean).flatten(1).norm(dim=1).max()) <= 0.5 + 1e-6
    assert replace(threat, norm="linf").measure is not threat.measure


class Backward(torch.autograd.Function):
    """The identity, whose backward pass runs out of memory."""

    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("out of memory")


class Small(nn.Module):
    """A network for which `most` images fit in memory at a time, in the pass that is `failing`, forward or backward."""

    def __init__(self, model: nn.Module, most: int, failing: str) -> None:
        super().__init__()
        self.model, self.most, self.failing, self.refused, self.largest = model, most, failing, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.refused += len(x) > self.most
        if len(x) > self.most and self.failing == "forward":
            raise torch.OutOfMemoryError("out of memory")
        self.largest = max(self.largest, len(x))
        logits = self.model(x)
        return Backward.apply(logits) if len(x) > self.most and logits.requires_grad else logits


class Counts:
    """A task that counts."""

    done = 0

    def advance(self, steps: int = 1) -> None:
        self.done += steps

    def set_status(self, text: str) -> None:
        pass


def test_progress_is_shown_while_images_resist(problem: tuple[nn.Module, Tensor, Tensor, list[Alone]]) -> None:
    """A batch that takes all steps advances at its end only: the steps are shown before."""

    class Listens(Counts):
        def __init__(self) -> None:
            self.heard: list[tuple[int, str]] = []

        def set_status(self, text: str) -> None:
            self.heard.append((self.done, text))

    model, x, y, _ = problem
    task = Listens()
    load_attack("pgd").with_options(steps=4)(model, x[:3], y[:3], eps=EPS, full=True, seed=SEED, task=task)
    assert task.heard == [(0, f"step {step} of 4") for step in (1, 2, 3, 4)] and task.done == 3


@pytest.mark.parametrize("failing", ["forward", "backward"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", ["pgd", "apgd-ce", "apgd-t"])
def test_a_batch_that_does_not_fit_in_memory_is_halved_with_the_same_results(
    name: str, full: bool, failing: str, problem: tuple[nn.Module, Tensor, Tensor, list[Alone]]
) -> None:
    model, x, y, _ = problem
    attack = load_attack(name).with_options(steps=4)
    wanted = attack(model, x, y, eps=EPS, full=full, seed=SEED, batch_size=40)
    small, task = Small(model, 6, failing), Counts()
    found = attack(small, x, y, eps=EPS, full=full, seed=SEED, batch_size=40, task=task)
    # 40 images are refused, then 20 and 10; 5 go, and no more are tried.
    # In the backward case they fit as well until a gradient is needed: while logits alone are asked for, nothing is refused.
    assert small.refused == 3 or failing == "backward"
    assert task.done == len(x)
    assert torch.equal(model(found).argmax(1), model(wanted).argmax(1))
    assert torch.allclose(found, wanted, atol=1e-9)
    if failing == "forward":
        assert small.largest <= 6


def test_too_little_memory_for_one_image_is_an_error(problem: tuple[nn.Module, Tensor, Tensor, list[Alone]]) -> None:
    model, x, y, _ = problem

    class Late(Small):
        def forward(self, x: Tensor) -> Tensor:
            self.most = 0 if self.refused else self.most
            return super().forward(x)

    with pytest.raises(ResourceError, match="out of memory running the network"):
        load_attack("pgd")(Late(model, 20, "forward"), x, y, eps=EPS, batch_size=40)
