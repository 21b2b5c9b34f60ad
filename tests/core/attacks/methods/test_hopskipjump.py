"""HopSkipJump against closed forms on linear networks, and what it may ask."""

import math

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.query_count import QueryCounter
from dlcli.core.compute.rng import generator
from dlcli.support.errors import UsageError

Trained = tuple[nn.Module, Tensor, Tensor]
BOTH = pytest.mark.parametrize("norm", ["linf", "l2"])
W = torch.randn(12, dtype=torch.float64, generator=generator(4))
X = torch.rand(40, 3, 2, 2, dtype=torch.float64, generator=generator(5)) * 0.4 + 0.3


class Decides(nn.Module):
    """Of two classes, which side of w.(x - 0.5) = 0; one large number for the class, no gradient, no score."""

    def forward(self, x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled() or len(x) == 1  # the checks look at the first image
        side = ((x - 0.5).flatten(1) @ W > 0).long()
        return nn.functional.one_hot(side, 2).double()


Y = ((X - 0.5).flatten(1) @ W > 0).long()


def shortest(norm: str) -> Tensor:
    """The distance of each image to the boundary: by the dual norm of w."""
    return ((X - 0.5).flatten(1) @ W).abs() / (W.abs().sum() if norm == "linf" else W.norm())


@BOTH
def test_a_part_of_the_images_has_the_norms_that_it_has_among_all(norm: str) -> None:
    attack = load_attack("hopskipjump").with_options(steps=3)
    whole, part = attack.nearest(Decides(), X, Y, norm=norm), attack.nearest(Decides(), X[30:], Y[30:], norm=norm, first=30)
    assert torch.allclose(part.norms, whole.norms[30:], rtol=1e-9)
    other = attack.nearest(Decides(), X[30:], Y[30:], norm=norm)
    assert not torch.allclose(other.norms, part.norms, rtol=1e-9)


@BOTH
@pytest.mark.parametrize("aimed", [False, True])
def test_the_distance_comes_near_the_closed_form_from_above(norm: str, aimed: bool) -> None:
    found = load_attack("hopskipjump").nearest(Decides(), X, Y, norm=norm, targets=1 - Y if aimed else None)
    ratio = found.norms / shortest(norm)
    assert bool(found.success.all()) and float(ratio.min()) >= 1 - 1e-9
    assert float(ratio.median()) < 1.02 and float(ratio.max()) < 1.25
    change = (found.images - X).flatten(1)
    assert torch.allclose(change.abs().amax(1) if norm == "linf" else change.norm(dim=1), found.norms)
    with torch.no_grad():
        assert bool((Decides()(found.images).argmax(1) != Y).all())


@BOTH
def test_within_eps_it_approaches_the_robust_accuracy_from_above(norm: str) -> None:
    eps = float(shortest(norm).median()) * 1.2
    robust = shortest(norm) > eps
    found = load_attack("hopskipjump")(Decides(), X, Y, eps=eps, norm=norm, batch_size=16)
    with torch.no_grad():
        left = Decides()(found).argmax(1) == Y
    assert bool((left | ~robust).all()) and int(left.sum()) <= int(robust.sum()) + 2
    assert 0.2 < float(robust.double().mean()) < 0.8


@BOTH
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("queries", [1, 5, 60, 700])
def test_the_budget_holds_for_every_image(norm: str, full: bool, queries: int) -> None:
    attack = load_attack("hopskipjump").with_options(queries=queries)
    for k in range(4):
        model = QueryCounter(Decides())
        attack(model, X[k : k + 1], Y[k : k + 1], eps=0.01, norm=norm, full=full)
        assert model.forwards <= queries + 2  # a look by the checks and one at the image as it is
        assert model.backwards == 0


@BOTH
def test_more_queries_never_lengthen_the_way(norm: str) -> None:
    before = torch.full((40,), math.inf, dtype=torch.float64)
    for queries in (60, 400, 1500):
        found = load_attack("hopskipjump").with_options(queries=queries).nearest(Decides(), X, Y, norm=norm).norms
        assert bool((found <= before).all())
        before = found
    assert bool((before < math.inf).all())


class Noisy(nn.Module):
    """Class 0 for all images but flat ones, so that noise is never adversarial."""

    def forward(self, x: Tensor) -> Tensor:
        flat = (x.flatten(1).std(1) < 0.05).long()
        return nn.functional.one_hot(flat, 3).double()


def test_where_noise_is_not_adversarial_another_image_starts_and_without_one_it_fails() -> None:
    rough = torch.rand(3, 1, 4, 4, dtype=torch.float64, generator=generator(1))
    flat = torch.full((1, 1, 4, 4), 0.5, dtype=torch.float64)
    zero = torch.zeros(3).long()
    alone = load_attack("hopskipjump").nearest(Noisy(), rough, zero, norm="l2")
    assert not bool(alone.success.any()) and bool(torch.isinf(alone.norms).all()) and torch.equal(alone.images, rough)
    together = load_attack("hopskipjump").nearest(Noisy(), torch.cat([rough, flat]), torch.tensor([0, 0, 0, 1]), norm="l2")
    assert bool(together.success.all())
    assert bool((together.norms[:3] < (rough - flat).flatten(1).norm(dim=1)).all())
    unreached = load_attack("hopskipjump").nearest(Noisy(), rough, zero, norm="l2", targets=zero + 2)
    assert not bool(unreached.success.any())


@BOTH
def test_full_uses_all_of_eps_the_right_way(norm: str) -> None:
    eps = 0.05
    found = load_attack("hopskipjump").with_options(queries=1500)(Decides(), X, Y, eps=eps, norm=norm, full=True)
    change = (found - X).flatten(1)
    length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    with torch.no_grad():
        fooled = Decides()(found).argmax(1) != Y
    # A success nearer than eps is kept only where the longer step would lose it.
    whole = (length - eps).abs() < 1e-9
    assert bool((whole | fooled).all()) and int(whole.sum()) >= 35
    gain = -(change @ W) * (2 * Y - 1) / (eps * float(W.abs().sum() if norm == "linf" else W.norm()))
    assert float(gain.median()) > 0.9


def test_an_image_leaves_once_it_is_within_eps(trained: Trained) -> None:
    model, x, y = QueryCounter(trained[0]), trained[1][:20], trained[2][:20]
    attack = load_attack("hopskipjump").with_options(queries=1500)
    attack(model, x, y, eps=0.4)
    early, model.forwards = model.forwards, 0
    attack.with_options(first=False)(model, x, y, eps=0.4)
    assert early < 0.5 * model.forwards


@BOTH
def test_on_a_trained_network_it_is_near_what_gradients_find(norm: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:20], trained[2][:20]
    ours = load_attack("hopskipjump").nearest(model, x, y, norm=norm)
    theirs = load_attack("fmn").nearest(model, x, y, norm=norm)
    assert bool(ours.success.all())
    assert float(ours.norms.median()) < 1.25 * float(theirs.norms.median())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queries": 0}, "`queries` is 0"),
        ({"samples": 0}, "`samples` is 0"),
        ({"steps": 0}, "`steps` is 0"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_attack("hopskipjump").with_options(**options)
    assert words in caught.value.message and caught.value.hint
