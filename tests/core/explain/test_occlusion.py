import itertools
from statistics import fmean as mean

import pytest
import torch
from torch import nn

from dlcli.core.explain.base import ExplainSettings, classes, predicted_classes
from dlcli.core.explain.methods.occlusion import explain, window_masks
from dlcli.support.errors import InputError
from tests.core.explain.networks import Quadrant, images, smooth


def starts(length, window):
    """Where windows begin on an axis: half a window apart, until one reaches the end."""
    found = [0]
    while found[-1] + window < length:
        found.append(found[-1] + max(1, window // 2))
    return found


def brute_force(net, x, chosen, window, fill):
    """Signed and absolute changes of one image (1, c, h, w) by loops over windows and pixels, in float64."""
    height, width = x.shape[2:]
    falls = [[[] for _ in range(width)] for _ in range(height)]
    before = float(net(x)[0, chosen])
    for top, left in itertools.product(starts(height, window), starts(width, window)):
        covered = list(itertools.product(range(top, min(top + window, height)), range(left, min(left + window, width))))
        hidden = x.clone()
        for i, j in covered:
            hidden[0, :, i, j] = fill
        fall = before - float(net(hidden)[0, chosen])
        for i, j in covered:
            falls[i][j].append(fall)
    signed, strength = ([[mean(map(size, of)) for of in row] for row in falls] for size in (float, abs))
    return torch.tensor(signed), torch.tensor(strength)


@pytest.mark.parametrize("window", [1, 2, 3, 5])
@torch.no_grad()
def test_it_is_what_a_loop_over_windows_gives(window):
    net = smooth(channels=2, side=7)
    x = images(2, channels=2, side=7)
    found = explain(net, x, classes(torch.tensor([3, 1])), ExplainSettings(window=window))
    for k, chosen in enumerate((3, 1)):
        fill = x[k].double().mean((1, 2))
        signed, strength = brute_force(net.double(), x[k : k + 1].double(), chosen, window, fill)
        net.float()
        torch.testing.assert_close(found.signed[k], signed, atol=1e-5, rtol=0)
        torch.testing.assert_close(found.strength[k], strength, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (8, 8)])
@pytest.mark.parametrize("window", [None, 1, 3, 8, 100])
def test_windows_cover_every_pixel(size, window):
    masks = window_masks(size, window)
    assert masks.shape[1:] == size
    assert masks.any(0).all()
    assert masks.any((1, 2)).all()


def test_a_window_as_large_as_the_image_gives_one_number():
    net, x = smooth(), images(3, side=8)
    found = explain(net, x, classes(torch.tensor([0, 1, 2])), ExplainSettings(window=8, baseline="grey"))
    with torch.no_grad():
        fall = (net(x) - net(torch.full_like(x, 0.5)))[range(3), [0, 1, 2]]
    torch.testing.assert_close(found.signed, fall[:, None, None].expand(3, 8, 8), atol=1e-5, rtol=0)


@pytest.mark.parametrize("baseline", ["mean", "blur", "grey"])
def test_the_map_of_a_network_that_reads_a_quadrant_is_zero_elsewhere(baseline):
    net, x, window = Quadrant(), images(4), 3
    target = predicted_classes(net(x).detach())
    found = explain(net, x, target, ExplainSettings(window=window, baseline=baseline)).strength
    far = torch.ones(12, 12, dtype=torch.bool)
    far[: 6 + window, : 6 + window] = False
    assert float(found[:, far].max()) < 1e-6
    assert float(found[:, :6, :6].amin((1, 2)).min()) > 1e-4


def test_a_score_and_its_negative_have_opposite_signed_maps():
    net, x = smooth(), images(2, side=8)
    up, down = (explain(net, x, lambda out, rows, sign=sign: sign * out[:, 0], ExplainSettings()) for sign in (1, -1))
    assert torch.equal(up.signed, -down.signed)
    assert torch.equal(up.strength, down.strength)
    assert up.signed.abs().max() > 0


def test_the_network_is_left_as_it_was():
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), smooth()).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    explain(net, images(2, side=8), classes(torch.tensor([0, 1])), ExplainSettings())
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("method", ["occlusion", "grad-cam", "integrated-gradients"])
def test_clips_are_refused(method):
    from dlcli.core.explain import METHODS

    with pytest.raises(InputError, match="not videos"):
        METHODS.module(method).explain(smooth(), torch.rand(1, 1, 4, 8, 8), classes(torch.tensor([0])), ExplainSettings())
