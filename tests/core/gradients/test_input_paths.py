import pytest
import torch

from dlcli.core.gradients.input_paths import input_paths, median_distance, neighbours
from dlcli.support.errors import InputError, UsageError

X = torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def nearest_by_hand(row):
    gaps = [float((X[row] - X[k]).norm()) if k != row else float("inf") for k in range(len(X))]
    return gaps.index(min(gaps)), min(gaps)


def test_nearest_goes_to_the_nearest_image_in_even_steps():
    found = input_paths("nearest", X, points=9, count=5, seed=0)
    assert len(found) == 5 and len({path.start for path in found}) == 5
    for path in found:
        other, gap = nearest_by_hand(path.start)
        assert torch.equal(path.x[0], X[path.start])
        torch.testing.assert_close(path.x[-1], X[other])
        assert path.length == pytest.approx(gap, rel=1e-5)
        steps = (path.x[1:] - path.x[:-1]).flatten(1).norm(dim=1)
        torch.testing.assert_close(steps, torch.full((8,), path.step))


def test_random_goes_as_far_elsewhere_and_by_its_seed():
    found, again, other = (input_paths("random", X, points=9, count=3, seed=seed) for seed in (0, 0, 1))
    for path in found:
        assert path.length == pytest.approx(nearest_by_hand(path.start)[1], rel=1e-4)
        assert (path.x[-1] - X).flatten(1).norm(dim=1).min() > 0.01
    assert all(torch.equal(a.x, b.x) for a, b in zip(found, again, strict=True))
    assert not torch.equal(found[0].x, other[0].x)


def test_grid_runs_along_the_direction_of_most_variance():
    line = torch.linspace(-1, 1, 21)[:, None] * torch.tensor([3.0, 4.0]) + torch.tensor([1.0, 2.0])
    (path,) = input_paths("grid", line, points=5, count=9, seed=0)
    torch.testing.assert_close(path.x[2], torch.tensor([1.0, 2.0]))
    reach = 2 * float(line.double().sub(line.double().mean(0)).pow(2).sum(1).mean().sqrt())
    torch.testing.assert_close(path.x[4] - path.x[2], torch.tensor([0.6, 0.8]) * reach)


def test_a_pair_is_walked_as_named():
    (path,) = input_paths("pair:3,7", X, points=2, count=9, seed=0)
    assert torch.equal(path.x, X[[3, 7]])


@pytest.mark.parametrize("kind", ["", "line", "pair", "pair:1", "pair:1,1", "pair:0,30", "pair:-1,2", "nearest:2"])
def test_other_kinds_are_refused(kind):
    with pytest.raises(UsageError, match="`path`"):
        input_paths(kind, X, points=8, count=1, seed=0)


@pytest.mark.parametrize("kind", ["nearest", "random", "grid", "pair:0,1"])
def test_there_is_no_line_between_images_that_are_all_the_same(kind):
    with pytest.raises(InputError, match="no line to walk"):
        input_paths(kind, X[:1].repeat(4, 1, 1, 1), points=8, count=2, seed=0)


@pytest.mark.parametrize("n", [3, 30])  # of more than 25 rows torch multiplies matrices
def test_copies_are_no_neighbours(n):
    several = 10 * X.repeat(1, 1, 8, 8)[:n]
    found = neighbours(torch.cat([several, several]), list(range(2 * n)))
    assert [other % n for other in found] == 2 * neighbours(several, list(range(n)))
    assert all(other % n != row % n for row, other in enumerate(found))
    assert neighbours(X[:1].repeat(2, 1, 1, 1), [0]) == [0]


def test_the_median_distance_is_that_of_all():
    by_hand = sorted(nearest_by_hand(row)[1] for row in range(30))
    assert median_distance(X) == pytest.approx(by_hand[14], rel=1e-4)


def test_one_image_is_too_few():
    with pytest.raises(UsageError, match="two images"):
        input_paths("nearest", X[:1], points=8, count=1, seed=0)
