import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from dlcli.core.graph.feature_map import last_feature_map
from dlcli.support.errors import InputError

X = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("resnet18", (512, 2, 2)), ("densenet121", (1024, 2, 2)), ("vgg11", (512, 4, 4)), ("squeezenet1_1", (1000, 3, 3))],
)
@torch.no_grad()
def test_published_networks_end_in_the_maps_of_their_papers(name, shape):
    import torchvision

    net = getattr(torchvision.models, name)(weights=None).eval()
    last = last_feature_map(net, X[:1])
    assert last.shape == shape
    with last.kept(net, X) as seen:
        net(X)
    features = net.layer4 if name == "resnet18" else net.features
    if name == "resnet18":
        expected = features(net.layer3(net.layer2(net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(X))))))))
    elif name == "squeezenet1_1":
        expected = net.classifier[2](net.classifier[1](features(X)))
    elif name == "vgg11":
        expected = features[:-1](X)
    else:
        expected = torch.relu(features(X))
    assert torch.equal(seen[0], expected)


class InPlace(nn.Module):
    """Functional calls in place, and a pooling whose output is not the map."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 4, 2)

    def forward(self, x):
        x = self.conv(x)
        x += 1
        x.relu_()
        return self.fc(max_pool2d(x, 31).flatten(1))


def test_operations_in_place_count():
    net = InPlace()
    last = last_feature_map(net, X[:1])
    with last.kept(net, X) as seen:
        out = net(X)
    assert torch.equal(seen[0], torch.relu(net.conv(X) + 1))
    (grad,) = torch.autograd.grad(out.sum(), seen)
    assert grad.shape == (3, 4, 62, 62)


class Fickle(nn.Module):
    """Runs more operations on several images than on one."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        for _ in range(len(x) - 1):
            x = torch.cat([x, x]).sum(0, keepdim=True)
        return self.fc(self.conv(x).mean((2, 3)))


def test_a_network_that_runs_otherwise_on_several_images_is_refused():
    net = Fickle()
    last = last_feature_map(net, X[:1])
    with pytest.raises(InputError, match="other operations"), last.kept(net, X):
        net(X)
