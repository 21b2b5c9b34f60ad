"""How often each attack makes the host wait for the device: one pass of the network must not wait for the one before.

Every attack of the registry declares its bound here. The counts include what an attack does before and after its steps.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import REGISTRY, load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.attacks.iterated import IterativeAttack
from tests.fake_device import fake_device
from tests.synchronisations import Synchronisations

Trained = tuple[nn.Module, Tensor, Tensor]
IMAGES, BATCH, STEPS = 16, 8, 8


@dataclass(frozen=True)
class Bound:
    """The most waits per pass of the network on a full batch: while images leave at their first success, and with all steps."""

    early: float
    full: float


# A step waits once to learn which images succeeded, and not at all where every image takes all steps; the rest is what is
# shared by many steps, of which there are few here. fgsm and noise have one step per batch, which waits for its images. Every
# step of deepfool ends runs, and fab looks in every step whether an image succeeded.
BOUNDS = {
    "apgd-ce": Bound(1.5, 0.5),
    "apgd-dlr": Bound(1.5, 0.5),
    "apgd-t": Bound(1.5, 0.5),
    "auto": Bound(1.5, 0.7),
    "bim": Bound(1.5, 0.5),
    "cw": Bound(1.5, 0.5),
    "deepfool": Bound(1.5, 1.5),
    "fab": Bound(1.5, 0.9),
    "fab-t": Bound(1.5, 0.9),
    "fgsm": Bound(1.5, 1.5),
    "fmn": Bound(1.5, 0.5),
    "genetic": Bound(1.5, 0.3),
    "hopskipjump": Bound(0.5, 0.5),
    "mifgsm": Bound(1.5, 0.5),
    "noise": Bound(3.0, 3.0),
    "pgd": Bound(1.5, 0.5),
    "square": Bound(1.5, 0.3),
    "transfer": Bound(0.3, 0.3),
}
CASES = [(name, norm) for name in REGISTRY.names() for norm in load_attack(name).norms]


class Counted(nn.Module):
    """Counts the passes of a network."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.passes = model, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.model(x)


def brief(name: str, surrogate: nn.Module) -> Attack:
    """The attack with few steps, or as many queries as they take."""
    attack = load_attack(name)
    queries = {"genetic": 5 * STEPS, "hopskipjump": 200}.get(name, STEPS)
    options = {"steps": STEPS, "queries": queries, "searches": 2, "classes": 2, "surrogate": surrogate}
    known = {field.name for field in fields(attack)}
    return attack.with_options(**{key: value for key, value in options.items() if key in known})


@dataclass(frozen=True)
class Cost:
    """What an attack made, its waits, and its passes or, where it makes none, its batches."""

    images: Tensor
    waits: Synchronisations
    passes: int

    @property
    def per_pass(self) -> float:
        """Waits per pass."""
        return self.waits.total / self.passes


@contextmanager
def counted(model: nn.Module, x: Tensor, y: Tensor) -> Iterator[tuple[Counted, Tensor, Tensor, Synchronisations]]:
    """The network and the images on the fake device, and the counter."""
    with fake_device(float64=True) as device:
        there = Counted(copy.deepcopy(model).to(device))
        with Synchronisations() as waits:
            yield there, x.to(device), y.to(device), waits


def cost(name: str, trained: Trained, *, norm: str, full: bool, images_there: bool = False) -> Cost:
    """Run an attack, on images that are on the device or on the host."""
    model, x, y = trained[0], trained[1][:IMAGES], trained[2][:IMAGES]
    eps = 0.06 if norm == "linf" else 0.4
    with counted(model, x, y) as (there, x_there, y_there, waits):
        given = (x_there, y_there) if images_there else (x, y)
        waits.counted.clear()
        found = brief(name, there)(there, *given, eps=eps, norm=norm, full=full, batch_size=BATCH)
        assert found.device == given[0].device
    return Cost(found, waits, max(there.passes, IMAGES // BATCH))


def test_every_attack_has_a_bound() -> None:
    assert set(BOUNDS) == set(REGISTRY.names())


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("name", "norm"), CASES)
def test_the_host_seldom_waits_for_the_device(name: str, norm: str, full: bool, trained: Trained) -> None:
    found = cost(name, trained, norm=norm, full=full)
    assert found.per_pass <= (BOUNDS[name].full if full else BOUNDS[name].early), (found.passes, found.waits.counted)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "fmn", "square", "hopskipjump"])  # one for each loop
def test_nor_where_the_images_are_on_the_device_too(name: str, trained: Trained) -> None:
    found = cost(name, trained, norm=load_attack(name).norm, full=False, images_there=True)
    # The checks of the images wait a few times more, once per attack.
    assert found.waits.total <= BOUNDS[name].early * found.passes + 12, (found.passes, found.waits.counted)


@pytest.mark.parametrize("name", [name for name in REGISTRY.names() if isinstance(load_attack(name), IterativeAttack)])
def test_a_success_in_bfloat16_waits_once_more_for_its_confirmation(
    name: str, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = cost(name, trained, norm="linf", full=False)
    # The fake device has no autocast. What matters here is that a success is confirmed by a pass in the type of the images.
    monkeypatch.setattr("dlcli.core.attacks.gradient.fast_dtype", lambda device: torch.bfloat16)
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())
    found = cost(name, trained, norm="linf", full=False)
    assert torch.equal(found.images, plain.images) and found.passes > plain.passes
    steps = plain.passes  # the confirmations are no steps
    assert found.waits.total <= 3 * steps, found.waits.counted
