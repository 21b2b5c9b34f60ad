"""The standard set: what its parts, run one after the other by hand, come to."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack, Problem
from dlcli.core.attacks.methods import auto
from dlcli.core.attacks.query_count import QueryCounter
from dlcli.support.errors import UsageError

Trained = tuple[nn.Module, Tensor, Tensor]
FEW = {"steps": 10, "queries": 100, "classes": 3}
OF_PARTS = {
    "apgd-ce": {"steps": 10},
    "apgd-t": {"steps": 10, "classes": 3},
    "fab-t": {"steps": 10, "classes": 3},
    "square": {"queries": 100},
}
AUTO = load_attack("auto").with_options(**FEW)


def test_the_parts_are_those_of_the_standard() -> None:
    assert auto.PARTS == ("apgd-ce", "apgd-t", "fab-t", "square")
    standard = [load_attack("auto")._part(name) for name in auto.PARTS]
    assert [part.name for part in standard] == list(auto.PARTS)
    assert [part.steps for part in standard[:3]] == [100, 100, 100] and standard[3].queries == 5000
    assert [part.classes for part in standard[1:3]] == [9, 9]
    assert standard[0].restarts == 1 and standard[3].p == 0.8


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("aimed", [False, True])
def test_it_is_its_parts_in_turn_on_what_still_stands(norm: str, aimed: bool, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:80], trained[2][:80].clone()
    y[5] = (y[5] + 1) % 10  # wrong before the attack
    eps = 0.1 if norm == "linf" else 0.5
    targets = (y + 1) % 10 if aimed else None
    found = AUTO(model, x, y, eps=eps, norm=norm, seed=3, targets=targets, batch_size=32)

    def fooled(images: Tensor, k: Tensor) -> Tensor:
        with torch.no_grad():
            decision = model(images).argmax(1)
        return decision != y[k] if targets is None else decision == targets[k]

    expected, standing = x.clone(), (~fooled(x, torch.arange(80))).nonzero()[:, 0]
    counts = [len(standing)]
    for name in auto.PARTS:
        part = load_attack(name).with_options(**OF_PARTS[name])
        target_classes = None if targets is None else targets[standing]
        same = {"eps": eps, "norm": norm, "seed": 3, "batch_size": 32}
        images = part(model, x[standing], y[standing], targets=target_classes, first=standing, **same)
        success = fooled(images, standing)
        keep = success | (name == "apgd-ce")
        expected[standing[keep]] = images[keep]
        standing = standing[~success]
        counts.append(len(standing))
    assert torch.equal(found, expected)
    assert counts[1] < counts[0] and 0 < counts[-1]


def test_it_is_never_above_a_part(trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:100], trained[2][:100]

    def left(images: Tensor) -> Tensor:
        with torch.no_grad():
            return model(images).argmax(1) == y

    robust = left(AUTO(model, x, y, eps=0.1))
    alone = {name: left(load_attack(name).with_options(**OF_PARTS[name])(model, x, y, eps=0.1)) for name in auto.PARTS}
    assert bool((alone["apgd-ce"] | ~robust).all())  # image by image for the first, which sees the same images
    assert all(int(robust.sum()) <= int(stands.sum()) for stands in alone.values())
    assert 0 < int(robust.sum()) < 100


@pytest.mark.parametrize(("classes", "names"), [(2, "apgd-ce fab-t square"), (3, "apgd-ce apgd-dlr fab-t square"), (4, "")])
def test_with_few_classes_parts_are_replaced_or_left_out(classes: int, names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    for name in [*auto.PARTS, "apgd-dlr"]:
        kind = type(load_attack(name))
        monkeypatch.setattr(kind, "craft", _noting(kind.craft, ran))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, classes))
    x = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = model(x).argmax(1)
    AUTO(model, x, y, eps=1e-4)  # so little that every part is tried
    assert ran == (names.split() or list(auto.PARTS))


def _noting(craft: Callable[..., Tensor], ran: list[str]) -> Callable[..., Tensor]:
    def noted(self: Attack, problem: Problem, *, full: bool) -> Tensor:
        ran.append(self.name)
        return craft(self, problem, full=full)

    return noted


def test_an_image_that_is_fooled_costs_the_later_parts_nothing(trained: Trained) -> None:
    model, x, y = QueryCounter(trained[0]), trained[1][:20], trained[2][:20]
    AUTO(model, x, y, eps=0.5)
    assert model.per_image(20).forward < 15  # apgd-ce alone takes 10 steps; square would take 100


def test_progress_counts_images(trained: Trained) -> None:
    class Task:
        done = 0

        def advance(self, steps: int = 1) -> None:
            self.done += steps

    for full in (False, True):
        task = Task()
        AUTO(trained[0], trained[1][:12], trained[2][:12], eps=0.1, task=task, full=full)
        assert task.done == 12


@pytest.mark.parametrize("setting", ["steps", "queries", "classes"])
def test_bad_settings_are_refused(setting: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_attack("auto").with_options(**{setting: 0})
    assert caught.value.message == f"`{setting}` is 0"
