"""Siamese pre-training: the loss against torch's, the pairs against their law, and features against the network itself."""

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.pretraining.base import feature_network
from dlcli.core.pretraining.siamese import HingeEmbedding, pair_draw
from dlcli.support.errors import InputError

LEVELS = np.array([0] * 50 + [1] * 5 + [4] * 20 + [9])


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_the_loss_is_the_hinge_embedding_loss_of_torch(distance: str, margin: float):
    features = torch.randn(20, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.tensor([0, 0, 1, 2, 3, 3, 1, 1, 0, 2, 5, 5, 6, 7, 1, 0, 2, 2, 3, 1])
    apart = (features[::2] - features[1::2]).norm(p=1 if distance == "l1" else 2, dim=1)
    target = torch.where(y[::2] == y[1::2], 1, -1)
    expected = nn.HingeEmbeddingLoss(margin=margin)(apart, target)
    assert torch.allclose(HingeEmbedding(distance, margin).loss(features, y), expected, atol=1e-9)


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_equal_features_have_a_finite_gradient(distance: str):
    features = torch.ones(4, 3, requires_grad=True)
    HingeEmbedding(distance, 1.0).loss(features, torch.tensor([0, 0, 0, 1])).backward()
    assert features.grad is not None and features.grad.isfinite().all()


def test_half_of_the_pairs_are_of_one_level_which_is_uniform():
    drawn = torch.cat([pair_draw(LEVELS)(torch.Generator().manual_seed(seed)) for seed in range(400)])
    first, second = LEVELS[drawn[::2].numpy()], LEVELS[drawn[1::2].numpy()]
    n = len(first)
    assert abs((first == second).mean() - 0.5) < 0.01
    for level in (0, 1, 4, 9):
        assert abs((first == level).mean() - 0.25) < 4 * (0.1875 / n) ** 0.5
        assert abs((second[first != second] == level).mean() - 0.25) < 4 * (0.1875 / (n / 2)) ** 0.5
    same = drawn[::2][first == second] == drawn[1::2][first == second]
    assert not same[torch.from_numpy(first[first == second] != 9)].any()  # another picture, where there is one


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)  # declared before the body
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def test_features_are_what_the_last_layer_reads_and_only_the_body_gets_gradients():
    net, x = Net(), torch.rand(5, 1, 8, 8)
    features = feature_network(net, x[:1])
    assert torch.equal(features(x), net.body(x))
    features(x).sum().backward()
    assert net.head.weight.grad is None
    assert net.body[0].weight.grad is not None


def test_features_of_a_head_of_convolutions_are_means_over_positions():
    body = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU())
    net, x = nn.Sequential(body, nn.Conv2d(6, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), torch.rand(5, 1, 8, 8)
    assert torch.allclose(feature_network(net, x[:1])(x), body(x).mean((2, 3)), atol=1e-6)


def test_a_network_without_a_last_layer_is_refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match="no last linear layer"):
        feature_network(net, torch.rand(1, 1, 8, 8))
