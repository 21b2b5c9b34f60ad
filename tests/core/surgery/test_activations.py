"""Any pointwise activation can be replaced or erased; what may be a gate is not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.graph.skips import find_skips
from dlcli.core.graph.trace import record_trace
from dlcli.core.layers.selu import ScaledELU
from dlcli.core.surgery import apply_surgery
from dlcli.support.errors import InputError

MODULES = (nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus)
FUNCTIONS = (F.relu6, F.leaky_relu, F.rrelu, F.celu, F.selu, F.gelu, F.silu, F.mish, F.hardswish, F.softplus)
IN_PLACE = (F.relu, F.relu6, F.leaky_relu, F.elu, F.celu, F.selu, F.silu, F.mish, F.hardswish)


class Calls(nn.Module):
    """A layer before and after an activation, a module or a function, and a gate."""

    def __init__(self, activation, **options):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.gate = nn.Linear(64, 8), nn.Linear(8, 5), nn.Linear(8, 8)
        self.act, self.options = activation, options

    def forward(self, x):
        h = self.act(self.first(x.flatten(1)), **self.options)
        return self.last(h * torch.sigmoid(self.gate(h)))

    def by_hand(self, x, activation):
        h = activation(self.first(x.flatten(1)))
        return self.last(h * torch.sigmoid(self.gate(h)))


def name_of(activation):
    return activation.__name__ if isinstance(activation, type) else activation.__name__.rstrip("_")


@pytest.mark.parametrize("activation", [*MODULES, *FUNCTIONS], ids=name_of)
@pytest.mark.parametrize(("spec", "function"), [("elu", F.elu), ("erase-relu", lambda x: x)])
def test_every_activation_and_no_gate(activation, spec, function, sample):
    model = Calls(activation() if isinstance(activation, type) else activation).eval()
    if spec == "erase-relu":  # blocks are marked by a concatenation here
        model = _Concatenated(model.act).eval()
    done, (note,) = apply_surgery(model, [spec], sample)
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(done(x), model.by_hand(x, function))
    assert (spec, name_of(activation).lower()) == ("elu", "celu") or not torch.equal(done(x), model(x))
    assert note.startswith(f"{spec}: 1 ")


class _Concatenated(nn.Module):
    def __init__(self, activation):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.act = nn.Linear(64, 8), nn.Linear(64, 2), activation

    def forward(self, x):
        return self.by_hand(x, self.act)

    def by_hand(self, x, activation):
        x = x.flatten(1)
        return torch.cat([activation(self.first(x)), self.second(x)], 1)


@pytest.mark.parametrize("activation", IN_PLACE, ids=name_of)
def test_what_was_in_place_stays_in_place_and_has_the_right_gradient(activation, sample):
    model = Calls(activation, inplace=True)
    done, _ = apply_surgery(model, ["selu"], sample)
    x = torch.randn(3, 1, 8, 8)
    scaled = ScaledELU(1.6732632423543772, 1.0507009873554805)
    out, expected = done(x), done.by_hand(x, scaled)
    assert torch.allclose(out, expected, atol=1e-6)
    gradients = [torch.autograd.grad(one.square().sum(), list(done.parameters())) for one in (out, expected)]
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("activation", [nn.SiLU, nn.Hardswish, nn.Mish])
def test_dropout_in_place_may_follow(activation, sample):
    """As in the head of MobileNetV3."""
    layers = (nn.Flatten(), nn.Linear(64, 8), activation(inplace=True), nn.Dropout(0.5, inplace=True), nn.Linear(8, 5))
    done, _ = apply_surgery(nn.Sequential(*layers), ["elu"], sample)
    done(torch.randn(3, 1, 8, 8)).sum().backward()
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(done.eval()(x), layers[4](F.elu(layers[1](x.flatten(1)))))


def test_selu_after_elu_is_selu_once(sample):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.GELU(), nn.Linear(8, 5))
    done, notes = apply_surgery(model, ["elu", "selu"], sample)
    assert notes[1].startswith("selu: 1 ELU replaced by SELUs") and isinstance(done[2], ScaledELU)
    x = torch.randn(3, 1, 8, 8)
    assert torch.allclose(done(x), done[3](F.selu(done[1](x.flatten(1)))), atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "message", "hint"),
    [
        (torch.tanh, "the network has no ReLU, GELU, SiLU", "it calls sigmoid and tanh, which may be a gate"),
        (lambda x: x, "the network has no ReLU, GELU, SiLU", "it calls sigmoid, which may be a gate"),
    ],
)
def test_refusals_name_what_is_there(activation, message, hint, sample):
    with pytest.raises(InputError, match=message) as caught:
        apply_surgery(Calls(activation), ["elu"], sample)
    assert hint in caught.value.hint


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ELU(), nn.Linear(8, 5))

    def forward(self, x):
        return self.layers(x)


def test_elus_are_elus_already(sample):
    with pytest.raises(InputError, match="the network has 1 ELU already"):
        apply_surgery(Plain(), ["elu"], sample)


class Windows(nn.Module):
    """A masked product, its mask made of the shape of what it masks, inside a residual branch."""

    def __init__(self):
        super().__init__()
        self.query, self.value = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        x = x[:, 0]
        mask = x.new_zeros(8, 8)
        mask[:4, 4:] = -100.0
        scores = self.query(x) @ x.transpose(1, 2) + mask
        return x + scores.softmax(-1) @ self.value(x)


def test_a_mask_is_no_shortcut(sample):
    assert len(find_skips(record_trace(Windows(), sample))) == 1


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "elus", "erased"),
    [
        ("efficientnet_b0", "49 SiLUs", "16 of 49 SiLUs"),
        ("convnext_tiny", "18 GELUs", "18 of 18 GELUs"),
        ("swin_t", "12 GELUs", "12 of 12 GELUs"),
        ("vit_b_32", "12 GELUs", "12 of 12 GELUs"),
        ("mobilenet_v3_small", "33 activations (19 Hardswishes, 14 ReLUs)", "11 of 33 activations"),
        ("regnet_y_400mf", "65 ReLUs", "16 of 65 ReLUs"),  # a stem, and 16 blocks of three and a gate
    ],
)
def test_modern_networks_of_torchvision(name, elus, erased):
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, num_classes=5).eval()
    sample = torch.rand(1, 3, 224, 224) if name.startswith("vit") else torch.rand(1, 3, 64, 64)
    done, (note,) = apply_surgery(model, ["elu"], sample)
    assert note == f"elu: {elus} replaced by ELUs"
    assert not any(isinstance(m, (nn.ReLU, nn.SiLU, nn.GELU, nn.Hardswish)) for m in done.modules())
    assert apply_surgery(model, ["erase-relu"], sample).notes[0].startswith(f"erase-relu: {erased}")


def test_the_relu_behind_a_gate_is_no_gate():
    """A RegNet-Y block ends in a ReLU after its sum, which descends from the pooling of its gate."""
    torchvision = pytest.importorskip("torchvision")
    model = torchvision.models.regnet_y_400mf(weights=None, num_classes=5).eval()
    done, _ = apply_surgery(model, ["erase-relu"], torch.rand(1, 3, 64, 64))
    block, plain = done.trunk_output[0][0], model.trunk_output[0][0]
    x = torch.randn(1, 32, 16, 16)
    for parameter in [*block.parameters(), *plain.parameters()]:
        parameter.requires_grad_(False)
    assert float(block(x).min()) < 0 <= float(plain(x).min())
    assert torch.allclose(F.relu(block(x)), plain(x), atol=1e-6)
