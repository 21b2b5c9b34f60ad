"""Losses without labels against their definitions in float64, and views against what they are cut from."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.pretraining.base import PretrainingSettings, ViewNetwork, changed_views
from dlcli.core.pretraining.simclr import CosineContrast
from dlcli.core.pretraining.spatial_contrasting import DistanceContrast, pretraining
from dlcli.core.pretraining.vicreg import VarianceInvarianceCovariance
from dlcli.core.training.views import two_patches
from dlcli.support.errors import UsageError

LEVELS = torch.arange(0)


def features(n: int, d: int = 7) -> torch.Tensor:
    return torch.randn(n, 2, d, generator=torch.Generator().manual_seed(n), dtype=torch.float64)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_spatial_contrasting_is_the_softmax_of_minus_the_distances(n: int):
    z = features(n)
    expected = -torch.log_softmax(-torch.cdist(z[:, 0], z[:, 1]), 1).diagonal().mean()
    assert abs(float(DistanceContrast().loss(z, LEVELS) - expected)) < 1e-10


@pytest.mark.parametrize("n", [2, 3, 17, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_features_give_log_n_and_a_finite_gradient(n: int, dtype: torch.dtype):
    z = torch.full((n, 2, 5), 0.3, dtype=dtype, requires_grad=True)
    loss = DistanceContrast().loss(z, LEVELS)
    assert loss.item() == pytest.approx(math.log(n), rel=2 * torch.finfo(dtype).eps)  # but for the rounding of one logarithm
    loss.backward()
    assert z.grad is not None and z.grad.isfinite().all()


def test_the_gradient_of_spatial_contrasting_is_that_of_differences():
    z = features(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: DistanceContrast().loss(z, LEVELS), z)


def test_nt_xent_is_its_definition():
    z, t = features(6).numpy(), 0.5
    rows = np.concatenate([z[:, 0], z[:, 1]])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    likeness = np.exp(unit @ unit.T / t)
    each = [-math.log(likeness[i, (i + 6) % 12] / (likeness[i].sum() - likeness[i, i])) for i in range(12)]
    assert float(CosineContrast(t).loss(torch.from_numpy(z), LEVELS)) == pytest.approx(np.mean(each), abs=1e-10)


def test_vicreg_is_its_definition():
    z = features(9, 4).numpy() * 0.5
    spread = [np.maximum(0, 1 - np.sqrt(z[:, k].var(0, ddof=1) + 1e-4)).mean() for k in (0, 1)]
    covariances = [np.cov(z[:, k].T) for k in (0, 1)]
    shared = sum((c**2).sum() - (c.diagonal() ** 2).sum() for c in covariances) / 4
    expected = 25 * ((z[:, 0] - z[:, 1]) ** 2).mean() + 25 * sum(spread) / 2 + shared
    found = VarianceInvarianceCovariance((25.0, 25.0, 1.0)).loss(torch.from_numpy(z), LEVELS)
    assert float(found) == pytest.approx(expected, abs=1e-10)


def test_patches_are_cut_where_they_were_drawn_and_everywhere_alike():
    x = torch.arange(200 * 2 * 5 * 7, dtype=torch.float32).view(200, 2, 5, 7)
    cut = two_patches(3)
    corner = cut.draw(x.shape, torch.Generator().manual_seed(0))
    found = cut.apply(x, corner)
    assert found.shape == (200, 2, 2, 3, 3)
    for image in (0, 7, 199):
        for view in (0, 1):
            row, column = corner[image, view].tolist()
            assert torch.equal(found[image, view], x[image, :, row : row + 3, column : column + 3])
    counts = np.bincount((corner[..., 0] * 5 + corner[..., 1]).flatten().numpy(), minlength=15)
    assert len(counts) == 15 and abs(counts - 400 / 15).max() < 5 * math.sqrt(400 / 15)


def test_a_patch_of_the_whole_image_is_the_image():
    x = torch.rand(3, 1, 4, 4)
    cut = two_patches(4)
    found = cut.apply(x, cut.draw(x.shape, torch.Generator()))
    assert torch.equal(found[:, 0], x) and torch.equal(found[:, 1], x)


def test_the_sides_of_patches():
    assert pretraining(PretrainingSettings("l1", 1.0, None, (9, 20))).side == 4
    assert pretraining(PretrainingSettings("l1", 1.0, 9, (9, 20))).side == 9
    with pytest.raises(UsageError, match="`patch`: 10 is more than the side of the images, which have 9x20 pixels"):
        pretraining(PretrainingSettings("l1", 1.0, 10, (9, 20)))


def test_two_changes_differ_and_the_draw_determines_them():
    x = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    change = changed_views(PretrainingSettings("l1", 1.0, None, (12, 12)))
    draw = change.draw(x.shape, torch.Generator().manual_seed(1))
    views = change.apply(x, draw)
    assert views.shape == (4, 2, 3, 12, 12) and not torch.equal(views[:, 0], views[:, 1])
    assert torch.equal(views, change.apply(x, draw))
    assert 0 <= views.min() and views.max() <= 1


def test_each_view_keeps_its_place():
    net = ViewNetwork(nn.Flatten(), nn.Identity())
    views = torch.rand(3, 2, 1, 2, 2)
    assert torch.equal(net(views), views.flatten(2))
