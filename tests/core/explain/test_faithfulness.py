import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dlcli.core.compute.rng import preserved
from dlcli.core.data import open_data
from dlcli.core.explain import METHODS
from dlcli.core.explain.base import ExplainSettings, Maps, classes, predicted_classes
from dlcli.core.explain.faithfulness import DeletionCheck
from dlcli.core.explain.shuffled import shuffled_weights
from dlcli.core.models.zoo.digits_net import build
from dlcli.specs.estimates import PointEstimate
from tests.core.explain.networks import Quadrant, images, smooth

OCCLUSION = METHODS.module("occlusion")


def checked(net, x, method=OCCLUSION, maps=None, *, absolute=False, seed=0):
    settings, target = ExplainSettings(), predicted_classes(net(x).detach())
    maps = maps or method.explain(net, x, target, settings)
    return DeletionCheck(net, x, target, settings, absolute, seed).run(method, maps)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("method", ["occlusion", "integrated-gradients"])
def test_maps_of_a_network_that_reads_a_quadrant_are_faithful(method, absolute):
    found = checked(Quadrant(), images(12), METHODS.module(method), absolute=absolute)
    assert found.faithful
    assert found.minus_elsewhere.value < found.change


@pytest.fixture(scope="module")
def trained():
    """A network that knows digits."""
    data = open_data("digits")
    with preserved():
        torch.manual_seed(0)
        net = build(1, (8, 8), 10)
        optimizer = torch.optim.Adam(net.parameters(), 8e-3)
        for _ in range(4):
            for rows in torch.randperm(len(data.y_train)).split(64):
                optimizer.zero_grad()
                cross_entropy(net(data.x_train[rows]), data.y_train[rows]).backward()
                optimizer.step()
    return net.eval(), data.x_test


def untrained(seed):
    with preserved():
        torch.manual_seed(seed)
        return build(1, (8, 8), 10).eval()


def test_maps_of_a_trained_network_pass_every_check(trained):
    net, x = trained
    found = checked(net, x[:32])
    assert found.faithful and found.learned and found.decides


def test_random_weights_seldom_decide_by_what_their_maps_show(trained):
    # Their maps are faithful to them: the logit falls, but by little.
    _, x = trained
    found = [checked(untrained(seed), x[16 * seed : 16 * seed + 16]) for seed in range(10)]
    assert sum(one.decides for one in found) <= 5
    assert max(one.change for one in found) < 0.1


def test_maps_of_random_weights_do_not_show_what_a_trained_network_decides_by(trained):
    net, x = trained
    count = 0
    for seed in range(10):
        given = x[16 * seed : 16 * seed + 16]
        maps = OCCLUSION.explain(untrained(seed), given, classes(net(given).argmax(1)), ExplainSettings())
        count += checked(net, given, maps=maps, seed=seed).decides
    assert count <= 2


def random_maps(n, seed):
    """Maps that know nothing of a network: a square at a random place."""
    values = torch.zeros(n, 12, 12)
    draws = torch.Generator().manual_seed(seed)
    for one, (down, right) in zip(values, torch.randint(9, (n, 2), generator=draws).tolist(), strict=True):
        one[down : down + 4, right : right + 4] = 1
    return Maps(values, values)


def test_maps_that_know_nothing_of_the_network_are_rarely_faithful():
    net = Quadrant()
    found = [checked(net, images(12, seed=k), maps=random_maps(12, k), seed=k) for k in range(40)]
    # A one-sided error of 2.5% each: more than 4 of 40 have a probability of 0.3%.
    assert sum(one.faithful for one in found) <= 4
    assert sum(one.learned for one in found) <= 4


def shuffled_maps(net, x, chosen, seed):
    """Maps of each image by the network with other shuffled weights."""
    parts = []
    for k in range(len(x)):
        with shuffled_weights(net, 1000 * seed + k):
            parts.append(OCCLUSION.explain(net, x[k : k + 1], classes(chosen[k : k + 1]), ExplainSettings()))
    return Maps(torch.cat([part.signed for part in parts]), torch.cat([part.strength for part in parts]))


def test_maps_of_shuffled_weights_are_rarely_better_than_those_of_others():
    net, count = smooth(side=12), 0
    for seed in range(20):
        x = images(8, seed=seed)
        count += checked(net, x, maps=shuffled_maps(net, x, net(x).argmax(1), seed), seed=seed).learned
    assert count <= 3
    assert checked(net, images(8)).learned


def test_a_network_that_answers_the_same_everywhere_has_no_faithful_map():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 3)

    found = checked(Constant(), images(5))
    assert not found.faithful
    assert (found.minus_elsewhere.low, found.minus_elsewhere.high) == (0, 0)
    assert found.minus_shuffled is None
    assert not found.learned


def test_what_is_hidden_is_the_tenth_with_the_highest_values():
    class Sum(nn.Module):
        def forward(self, x):
            return x.sum((2, 3))

    x, values = torch.zeros(2, 1, 10, 10), torch.rand(2, 10, 10, generator=torch.Generator().manual_seed(0))
    x[0, 0, 3] = 1.0
    values[0, 3] += 1
    target, settings = predicted_classes(torch.zeros(2, 1)), ExplainSettings(baseline="grey")
    found = DeletionCheck(Sum(), x, target, settings, absolute=False, seed=0).run(OCCLUSION, Maps(values, values))
    # Of the first image ten pixels fall from 1 to 0.5, of the second ten rise from 0 to 0.5.
    assert found.change == pytest.approx(0.0, abs=1e-6)
    found = DeletionCheck(Sum(), x, target, settings, absolute=True, seed=0).run(OCCLUSION, Maps(values, values))
    assert found.change == pytest.approx(5.0, abs=1e-6)


def test_the_share_of_images_that_get_another_class_is_counted():
    class Bright(nn.Module):
        """Whether the first pixel is above 0.7."""

        def forward(self, x):
            pixel = x[:, 0, 0, 0]
            return torch.stack([0.7 - pixel, pixel - 0.7], 1)

    x, values = torch.zeros(20, 1, 10, 10), torch.zeros(20, 10, 10)
    x[:5, 0, 0, 0] = 1.0
    values[:, 0, 0] = 1.0
    target, settings = predicted_classes(Bright()(x)), ExplainSettings(baseline="grey")
    found = DeletionCheck(Bright(), x, target, settings, absolute=False, seed=0).run(OCCLUSION, Maps(values, values))
    # Grey is below the threshold, so the five bright images change class; a random place holds the pixel one time in ten.
    assert found.other_class == pytest.approx(0.25)
    assert 0.15 < found.other_class_minus_elsewhere.value <= 0.25
    score = DeletionCheck(Bright(), x, target, settings, absolute=True, seed=0).run(OCCLUSION, Maps(values, values))
    assert score.other_class is score.other_class_minus_elsewhere is None
    assert not score.decides


def test_changes_within_rounding_establish_nothing():
    class Rounded(nn.Module):
        """The first pixel moves an output of 1000 by its last bit."""

        def forward(self, x):
            return 1000 + x[:, 0, 0, :1] * 1e-4

    x, values = torch.ones(8, 1, 10, 10), torch.zeros(8, 10, 10)
    values[:, 0, 0] = 1.0
    target, settings = predicted_classes(Rounded()(x)), ExplainSettings(baseline="grey")
    found = DeletionCheck(Rounded(), x, target, settings, absolute=False, seed=0).run(OCCLUSION, Maps(values, values))
    assert found.minus_elsewhere.value > 0
    assert not found.faithful


def test_one_image_has_no_interval():
    found = checked(Quadrant(), images(1))
    assert isinstance(found.minus_elsewhere, PointEstimate)
    assert not found.faithful


def test_the_weights_are_put_back_even_after_an_error():
    net = smooth()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(RuntimeError), shuffled_weights(net, 3):
        for name, tensor in net.state_dict().items():
            assert torch.equal(tensor.flatten().sort().values, before[name].flatten().sort().values)
            assert torch.equal(tensor, before[name]) == (tensor.dim() == 1)
        raise RuntimeError
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
