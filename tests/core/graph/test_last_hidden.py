"""The last hidden layer: found in any network, read without a trace; and the neighbours in it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn
from torch.nn import functional

from dlcli.core.ensembles.combine import RuleModel, SmoothMax
from dlcli.core.graph.last_hidden import hidden_features, neighbours_agree
from dlcli.support.errors import InputError

CPU = torch.device("cpu")
X = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def features(model: nn.Module, x: Tensor = X, **options: int) -> np.ndarray | None:
    return hidden_features(model, x, device=CPU, **options)


def mlp(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.ReLU(), nn.Dropout(0.5), nn.Linear(10, 4))


class Code(nn.Module):
    """Two layers and a function of them."""

    def __init__(self, run, **layers: nn.Module):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleDict(layers)
        self.run = run

    def forward(self, x):
        return self.run(self.layers, x)


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_what_the_last_linear_reads(batch_size: int):
    model = mlp()
    found = features(model, batch_size=batch_size)
    with torch.no_grad():
        expected = functional.relu(model[1](X.flatten(1)))
    assert found.shape == (7, 10) and found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "tiny_vit"])
def test_the_last_layer_makes_the_logits_of_it(name: str):
    from torchvision import models

    torch.manual_seed(0)
    if name == "tiny_vit":
        model = models.VisionTransformer(32, 8, 2, 2, 12, 24, num_classes=5)
        nn.init.normal_(model.heads[-1].weight)
    else:
        model = getattr(models, name)(num_classes=5)
    x = torch.rand(3, 3, 32, 32)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    found = features(model, x)
    with torch.no_grad():
        logits = model.eval()(x)
        again = functional.linear(torch.from_numpy(found), last.weight, last.bias)
    assert found.shape[1] == last.in_features and float(logits.std()) > 0
    assert torch.allclose(again, logits, atol=1e-5)


def test_a_convolution_that_classifies_is_averaged_over_its_places():
    from torchvision.models import squeezenet1_1
    from torchvision.models.feature_extraction import create_feature_extractor

    torch.manual_seed(0)
    model = squeezenet1_1(num_classes=5).eval()
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        places = create_feature_extractor(model, {"features": "out"})(x)["out"]
    assert np.allclose(features(model, x), places.mean((2, 3)), atol=1e-6) and places[0, 0].numel() > 1


def test_tokens_are_averaged():
    model = Code(lambda layers, x: layers["a"](x.flatten(2)).mean(1), a=nn.Linear(64, 5))
    assert np.allclose(features(model), X.flatten(2).mean(1), atol=1e-6)


def test_the_last_is_the_one_called_last_and_not_the_one_declared_last():
    model = Code(lambda layers, x: layers["a"](layers["b"](x.flatten(1)).tanh()), a=nn.Linear(9, 4), b=nn.Linear(192, 9))
    assert features(model).shape == (7, 9)


def test_a_head_that_does_not_reach_the_logits_is_passed_over():
    def run(layers, x):
        hidden = layers["b"](x.flatten(1)).tanh()
        logits = layers["a"](hidden)
        layers["aside"](logits)
        return logits

    model = Code(run, a=nn.Linear(9, 4), b=nn.Linear(192, 9), aside=nn.Linear(4, 2))
    assert features(model).shape == (7, 9)


def test_of_a_layer_that_is_called_twice_the_last_call_counts():
    def run(layers, x):
        return layers["a"](layers["a"](x.flatten(1)[:, :4]).tanh())

    model = Code(run, a=nn.Linear(4, 4))
    with torch.no_grad():
        expected = model.layers["a"](X.flatten(1)[:, :4]).tanh()
    assert np.allclose(features(model), expected, atol=1e-6)


def test_what_is_changed_in_place_later_is_kept_as_it_was_read():
    def run(layers, x):
        hidden = x.flatten(1).clone()
        logits = layers["a"](hidden)
        hidden.zero_()
        return logits

    assert np.array_equal(features(Code(run, a=nn.Linear(192, 4))), X.flatten(1))


def test_a_layer_may_be_called_by_keyword():
    model = Code(lambda layers, x: layers["a"](input=x.flatten(1)), a=nn.Linear(192, 4))
    assert np.array_equal(features(model), X.flatten(1))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(RuleModel([mlp(0), mlp(1)], "mean"), id="ensemble"),
        pytest.param(SmoothMax([mlp(0), mlp(1)]), id="smoothed ensemble"),
        pytest.param(
            Code(
                lambda layers, x: layers["a"](x.flatten(1)) + layers["b"](x.flatten(1)),
                a=nn.Linear(192, 4),
                b=nn.Linear(192, 4),
            ),
            id="two ways to the logits",
        ),
        pytest.param(
            nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), id="3x3 at the end"
        ),
        pytest.param(nn.Sequential(nn.Conv2d(3, 3, 1, groups=3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), id="channels apart"),
        pytest.param(nn.Flatten(), id="no weights"),
        pytest.param(Code(lambda layers, x: torch.zeros(len(x), 3)), id="constant"),
        pytest.param(
            Code(lambda layers, x: torch.zeros(len(layers["a"](x.flatten(1))), 3), a=nn.Linear(192, 4)),
            id="constant after a layer",
        ),
        pytest.param(
            Code(lambda layers, x: layers["a"](x.flatten(2).flatten(0, 1)).view(len(x), 3, 4).mean(1), a=nn.Linear(64, 4)),
            id="several rows an image",
        ),
    ],
)
def test_no_features_where_no_one_linear_layer_ends_the_network(model: nn.Module):
    assert features(model) is None


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_a_compiled_network_has_none_and_raises_nothing():
    assert features(torch.jit.trace(mlp().eval(), X)) is None


def test_bytes_are_images_too():
    images = (X * 255).round().to(torch.uint8)
    assert np.array_equal(features(mlp(), images), features(mlp(), images.float() / 255))


class Trap(nn.Module):
    """Fails on a batch of two."""

    def forward(self, x):
        if len(x) == 2:
            raise ValueError("two")
        return x


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_it_was(fails: bool):
    model = nn.Sequential(Trap(), nn.BatchNorm2d(3), *mlp()).train()
    model[1].eval()
    model[-1].weight.requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state, modes = torch.get_rng_state(), [module.training for module in model.modules()]
    if fails:
        with pytest.raises(InputError, match="two"):
            features(model, X[:5], batch_size=3)
    else:
        features(model)
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())
    assert [one.requires_grad for one in model.parameters()][-2:] == [False, True]
    assert all(one.grad is None for one in model.parameters()) and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.is_grad_enabled()


def by_hand(clean: np.ndarray, labels: np.ndarray, twins: np.ndarray, said: np.ndarray, k: int) -> list[bool]:
    found = []
    for i, twin in enumerate(twins):
        away = sorted((float(((twin - other) ** 2).sum()), j) for j, other in enumerate(clean) if j != i)
        votes = [labels[j] == said[i] for _, j in away[:k]]
        found.append(sum(votes) > k / 2)
    return found


# Points of a lattice have ties, which are broken by moving each a little.
_SPREAD = np.random.default_rng(0).random((2, 9, 3))


@settings(deadline=None)
@given(
    points=arrays(np.int8, (2, 9, 3), elements=st.integers(-3, 3)),
    labels=arrays(np.int64, 9, elements=st.integers(0, 2)),
    said=arrays(np.int64, 9, elements=st.integers(0, 2)),
    k=st.integers(1, 8),
)
def test_neighbours_are_those_that_a_search_by_hand_finds(points, labels, said, k):
    clean, twins = points + 0.1 * _SPREAD
    found = neighbours_agree(clean, labels, twins, said, neighbours=k)
    assert found.tolist() == by_hand(clean, labels, twins, said, k)


def test_an_image_is_no_neighbour_of_itself():
    clean = np.arange(12.0).reshape(-1, 1) * [[1.0, 0.0]]
    labels = np.arange(12) % 2  # every image among images of the other class
    assert not neighbours_agree(clean, labels, clean, labels, neighbours=1).any()
    assert neighbours_agree(clean, labels, clean, 1 - labels, neighbours=1).all()


def test_half_of_the_neighbours_are_not_most():
    clean = np.array([[0.0], [1.0], [-1.0], [50.0]])
    labels = np.array([0, 0, 1, 1])
    assert not neighbours_agree(clean, labels, clean, labels, neighbours=2)[0]


def test_more_neighbours_than_others_are_refused():
    with pytest.raises(ValueError, match="5 images have no 5 neighbours"):
        neighbours_agree(np.eye(5), np.arange(5), np.eye(5), np.arange(5))
