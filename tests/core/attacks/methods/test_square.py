"""The Square Attack against the paper's numbers, a loop for one image, and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.methods.square import _move_square, _set_square
from dlcli.core.attacks.query_count import QueryCounter
from dlcli.core.attacks.square_patches import covered_fraction, patch, patches, place_squares, side_lengths, tiling
from dlcli.core.compute.rng import generator
from dlcli.support.errors import InputError, UsageError
from dlcli.support.seeds import derive

Trained = tuple[nn.Module, Tensor, Tensor]


class NoGradient(nn.Module):
    """A network that may not be differentiated."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled() or len(x) == 1  # the checks look at the first image
        return self.inner(x).detach()


def test_the_schedule_is_that_of_the_paper() -> None:
    # p = 0.8, halved as the steps pass 10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000.
    ranges = [(0, 10), (11, 50), (51, 200), (201, 500), (501, 1000), (1001, 2000), (2001, 4000), (4001, 6000), (6001, 8000)]
    for halvings, (first, last) in enumerate([*ranges, (8001, 10000)]):
        assert covered_fraction(0.8, first) == covered_fraction(0.8, last) == 0.8 / 2**halvings


def test_the_sides_on_mnist_are_those_of_autoattack() -> None:
    found = side_lengths(0.8, 5000, 28, 28, "linf").tolist()
    # round(sqrt(p * 784)) by hand for p = .8, .4, .2, .1, .05, .025, .0125 and .00625
    assert [found[k] for k in (0, 11, 51, 201, 501, 1001, 2001, 4001)] == [25, 18, 13, 9, 6, 4, 3, 2]
    odd = side_lengths(0.8, 5000, 28, 28, "l2").tolist()
    assert [odd[k] for k in (0, 11, 51, 201, 501, 1001, 2001, 4001)] == [25, 19, 13, 9, 7, 5, 3, 3]


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["linf", "l2"]), st.floats(0.01, 1))
@settings(deadline=None)
def test_a_square_fits_into_any_image(rows: int, columns: int, norm: str, p: float) -> None:
    found = side_lengths(p, 60, rows, columns, norm)
    assert int(found.min()) >= 1 and int(found.max()) <= min(rows, columns)
    if norm == "l2":
        assert bool((found % 2 == 1).all()) and (min(rows, columns) < 3 or int(found.min()) >= 3)


def test_squares_lie_anywhere_within_the_image_and_nowhere_else() -> None:
    drawn = torch.rand(4000, 2, generator=generator(0))
    side = torch.full((4000,), 3)
    found = place_squares(drawn, side, torch.zeros(4000, 1, 5, 7))
    assert bool((found.inside.sum((1, 2, 3)) == 9).all())
    corners = torch.bincount(found.top * 5 + found.left, minlength=15)
    assert len(corners) == 15  # 3 rows and 5 columns may begin a square
    assert float((corners - 4000 / 15).abs().max()) < 5 * math.sqrt(4000 / 15)
    most = place_squares(torch.full((1, 2), 1 - 2**-24), torch.tensor([3]), torch.zeros(1, 1, 5, 7))
    assert (int(most.top), int(most.left)) == (2, 4)


def eta(h1: int, h2: int) -> Tensor:
    """Equation 2 of the paper, entry by entry: 1 / (n + 1 - k)^2 summed over k from 0 to M."""
    n, found = max(h1, h2) // 2, torch.zeros(h1, h2, dtype=torch.float64)
    for r in range(1, h1 + 1):
        for s in range(1, h2 + 1):
            m = n - max(abs(r - h1 // 2 - 1), abs(s - h2 // 2 - 1))
            found[r - 1, s - 1] = sum(1 / (n + 1 - k) ** 2 for k in range(m + 1))
    return found


@pytest.mark.parametrize("side", [3, 5, 9])
def test_the_bump_is_equation_2(side: int) -> None:
    whole = torch.cat([eta(side // 2, side), -eta(side - side // 2, side)])
    assert torch.allclose(patch(side), whole / whole.norm())


def test_bumps_stand_in_their_squares() -> None:
    side, turned = torch.tensor([3, 5, 5]), torch.tensor([False, True, False])
    x = torch.zeros(3, 2, 8, 9)
    there = place_squares(torch.tensor([[0.0, 0.99], [0.5, 0.5], [0.99, 0.0]]), side, x)
    found = patches(there, side, turned, torch.float64)
    assert torch.equal(patches(there, side, turned, torch.float32), found.float())
    for k, (s, turn) in enumerate(zip(side.tolist(), turned.tolist(), strict=True)):
        expected = torch.zeros(8, 9, dtype=torch.float64)
        top, left = int(there.top[k]), int(there.left[k])
        expected[top : top + s, left : left + s] = patch(s).T if turn else patch(s)
        assert torch.equal(found[k, 0], expected)


def by_algorithm_3(x: Tensor, clean: Tensor, eps: float, corners: list[int], side: int, eta: Tensor, signs: Tensor) -> Tensor:
    """One step in l2 for one image (colours, rows, columns), as the paper writes it."""
    r1, s1, r2, s2 = corners
    first, second = (slice(r1, r1 + side), slice(s1, s1 + side)), (slice(r2, r2 + side), slice(s2, s2 + side))
    v = x - clean
    unused, union = eps**2 - float(v.square().sum()), torch.zeros(x.shape[1:], dtype=torch.bool)
    union[first] = union[second] = True
    after = v.clone()
    for i in range(len(x)):
        old = v[i][first]
        temp = signs[i] * eta + old / old.norm()
        available = math.sqrt(float(v[i][union].square().sum()) + unused / len(x))
        after[i][second] = 0
        after[i][first] = temp / temp.norm() * available
    return clean + after


@given(st.integers(0, 2**32), st.sampled_from([3, 5]))
@settings(max_examples=30, deadline=None)
def test_a_step_in_l2_is_algorithm_3(seed: int, side: int) -> None:
    source = generator(seed)
    clean = torch.rand(4, 3, 8, 9, generator=source, dtype=torch.float64)
    change = torch.randn(4, 3, 8, 9, generator=source, dtype=torch.float64)
    x = clean + 0.4 * change / change.flatten(1).norm(dim=1)[:, None, None, None]
    drawn = torch.rand(4, 8, generator=source, dtype=torch.float64)
    found = _move_square(x, clean, torch.full((4,), side), drawn, 0.5)
    for k, row in enumerate(drawn.tolist()):
        corners = [int(row[j] * ((8, 9)[j % 2] - side + 1)) for j in range(4)]
        one = patch(side).T if row[4] < 0.5 else patch(side)
        signs = torch.tensor([-1.0 if value < 0.5 else 1.0 for value in row[5:]])
        assert torch.allclose(found[k], by_algorithm_3(x[k], clean[k], 0.5, corners, side, one, signs))
    # What the squares give and eps had left is used, all of it.
    assert torch.allclose((found - clean).flatten(1).norm(dim=1), torch.full((4,), 0.5, dtype=torch.float64))


def test_a_step_in_linf_is_algorithm_2() -> None:
    source = generator(3)
    clean = torch.rand(5, 3, 6, 6, generator=source, dtype=torch.float64)
    x = clean + 0.2 * (2 * torch.rand(5, 3, 6, 6, generator=source, dtype=torch.float64) - 1)
    drawn = torch.rand(5, 8, generator=source, dtype=torch.float64)
    found = _set_square(x, clean, torch.full((5,), 2), drawn, 0.2)
    for k, row in enumerate(drawn.tolist()):
        top, left = int(row[0] * 5), int(row[1] * 5)
        step = torch.zeros(3, 6, 6, dtype=torch.float64)
        for i in range(3):
            step[i, top : top + 2, left : left + 2] = -0.4 if row[5 + i] < 0.5 else 0.4
        assert torch.allclose(found[k], clean[k] + (x[k] + step - clean[k]).clamp(-0.2, 0.2))


def test_it_begins_with_stripes_or_a_tiling(trained: Trained) -> None:
    model, x, y = trained[0], torch.full((4, 1, 8, 8), 0.5), trained[2][:4]
    attack = load_attack("square").with_options(queries=1)
    stripes = (attack(model, x, y, eps=0.2, full=True) - x)[:, 0]
    assert torch.allclose(stripes.abs(), torch.full_like(stripes, 0.2)) and bool((stripes == stripes[:, :1]).all())
    assert 0.2 < float((stripes > 0).double().mean()) < 0.8 and not torch.equal(stripes[0], stripes[1])
    tiles = attack(model, x, y, eps=0.2, norm="l2", full=True) - x
    assert torch.allclose(tiles.flatten(1).norm(dim=1), torch.full((4,), 0.2), atol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(28, 28), (32, 20), (3, 40), (1, 6)])
def test_a_tiling_is_of_whole_bumps(rows: int, columns: int) -> None:
    found, side = tiling(2, rows, columns, generator(1)), max(1, min(rows, columns) // 5)
    whole = (rows // side) * (columns // side)
    assert torch.allclose(found.square().sum((1, 2)), torch.full((2,), float(whole), dtype=torch.float64))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_margin_never_falls_with_more_queries(norm: str, trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:30], trained[2][:30]
    before = torch.full((30,), -torch.inf)
    for queries in (1, 5, 40, 150):
        found = load_attack("square").with_options(queries=queries)(model, x, y, eps=0.1, norm=norm, full=True)
        with torch.no_grad():
            logits = model(found)
        own = logits.gather(1, y[:, None])[:, 0]
        margin = logits.scatter(1, y[:, None], -torch.inf).amax(1) - own
        assert bool((margin >= before - 1e-4).all())
        before = margin


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_gradient_is_asked_for_and_the_budget_holds(norm: str, trained: Trained) -> None:
    model, x, y = QueryCounter(NoGradient(trained[0])), trained[1][:25], trained[2][:25]
    attack = load_attack("square").with_options(queries=40)
    attack(model, x, y, eps=0.05, norm=norm, full=True, batch_size=8)
    assert (model.forwards, model.backwards) == (25 * 40 + 1, 0)
    model.forwards = 0
    attack(model, x, y, eps=0.6 if norm == "linf" else 3.0, norm=norm, batch_size=8)
    assert model.forwards < 25 * 20  # images that are fooled leave


def test_an_image_alone_goes_the_same_way(trained: Trained) -> None:
    """The pool beside a run of the first image by itself, in which nothing ever leaves or joins."""
    model, x, y = trained[0], trained[1][:40], trained[2][:40]
    attack = load_attack("square").with_options(queries=100)
    together = attack(model, x, y, eps=0.15, batch_size=7)
    assert torch.equal(attack(model, x[:1], y[:1], eps=0.15), together[:1])
    with torch.no_grad():
        left = model(together).argmax(1) == y
    assert 0.05 < float(left.double().mean()) < 0.95
    # Each image's draws are its own: derived from the seed and its index, not taken in turn from one stream.
    start = generator(derive(0, "start", 3, 0))
    stripes = torch.randint(0, 2, (1, 1, 8), generator=start) * 2 - 1
    first = attack.with_options(queries=1)(model, torch.full_like(x, 0.5), y, eps=0.1, full=True, batch_size=2)
    assert torch.allclose(first[3], 0.5 + 0.1 * stripes.expand(1, 8, 8))


class Linear(nn.Module):
    """Two classes with scores 0 and w.x + b."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(2, 4, 4, dtype=torch.float64, generator=generator(4)))

    def forward(self, x: Tensor) -> Tensor:
        margin = (x * self.w).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(margin), margin], dim=1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("aimed", [False, True])
def test_on_a_linear_network_it_comes_near_the_closed_form_from_above(norm: str, aimed: bool) -> None:
    model, eps = Linear(), 0.2 if norm == "linf" else 0.6
    x = torch.randn(60, 2, 4, 4, dtype=torch.float64, generator=generator(5))
    logits = model(x).detach()
    y = logits.argmax(1)
    max_gain = eps * float(model.w.detach().abs().sum() if norm == "linf" else model.w.detach().norm())
    attack, wide = load_attack("square").with_options(queries=1500), (-9.0, 9.0)
    options = {"eps": eps, "norm": norm, "bounds": wide, "targets": 1 - y if aimed else None}
    left = model(attack(model, x, y, **options)).argmax(1) == y
    robust = logits[:, 1].abs() > max_gain
    assert 0.2 < float(robust.double().mean()) < 0.8
    assert bool((left | ~robust).all())  # never below
    if norm == "linf":
        assert torch.equal(left, robust)
    found = attack(model, x, y, **options, full=True)
    moved = (logits - model(found).detach())[:, 1].abs() / max_gain
    assert float(moved.max()) <= 1 + 1e-9
    # In l2 the bumps, 3 wide at least, do not span all changes of so rough a network; noise reaches 0.2.
    assert float(moved.min()) > (0.999 if norm == "linf" else 0.4)


def test_vectors_are_images_of_one_row() -> None:
    model = nn.Linear(6, 3)
    x = torch.rand(5, 6, generator=generator(1))
    for norm in ("linf", "l2"):
        found = load_attack("square").with_options(queries=50)(model, x, torch.zeros(5).long(), eps=0.1, norm=norm, full=True)
        assert found.shape == x.shape and float((found - x).abs().max()) <= 0.1 + 1e-6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queries": 0}, "`queries` is 0"),
        ({"p": 0.0}, "`p` must be above 0 and at most 1, not 0.0"),
        ({"p": 1.5}, "`p` must be above 0 and at most 1, not 1.5"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_attack("square").with_options(**options)
    assert words in caught.value.message and caught.value.hint


def test_one_class_is_refused() -> None:
    with pytest.raises(InputError):
        load_attack("square")(
            nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), torch.zeros(2, 1, 2, 2), torch.zeros(2).long(), eps=0.1
        )


class _Views(nn.Module):
    """Takes a view of its images, which channels_last images of several colours do not allow."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), -1)[:, :3]


def test_a_network_that_takes_views_is_attacked_too() -> None:
    x = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    y = x.flatten(1)[:, :3].argmax(1)
    with pytest.raises(RuntimeError):
        _Views()(x.to(memory_format=torch.channels_last))
    found = load_attack("square").with_options(queries=50)(_Views(), x, y, eps=0.5)
    assert bool((_Views()(found).argmax(1) != y).any())
