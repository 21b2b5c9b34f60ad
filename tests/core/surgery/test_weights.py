"""Fresh weights: variances in closed form, orthogonality, and looks-linear, which is linear."""

import pytest
import torch
from torch import nn

from dlcli.core.surgery import apply_surgery
from dlcli.support.errors import InputError


@pytest.mark.parametrize(("how", "gain"), [("lecun", 1.0), ("he", 2.0)])
def test_variances(how, gain):
    layers = nn.Sequential(nn.Conv2d(2, 80, 3), nn.Conv2d(80, 80, 3, groups=8), nn.ConvTranspose2d(80, 8, 4), nn.Flatten())
    layers.append(nn.Linear(8 * 7 * 7, 300))
    sample = torch.rand(1, 2, 8, 8)
    done, (note,) = apply_surgery(layers, [f"init={how}"], sample)
    assert note == f"init={how}: 4 layers redrawn"
    for layer, inputs in ((done[0], 18), (done[1], 90), (done[2], 80 * 16), (done[4], 392)):
        n = layer.weight.numel()
        assert layer.weight.square().mean().item() * inputs / gain == pytest.approx(1.0, abs=5 * (2 / n) ** 0.5)
        assert not layer.bias.any()


def test_orthogonal():
    done, _ = apply_surgery(nn.Sequential(nn.Flatten(), nn.Linear(64, 40)), ["init=orthogonal"], torch.rand(1, 1, 8, 8))
    weight = done[1].weight.detach()
    assert torch.allclose(weight @ weight.T, 2 * torch.eye(40), atol=1e-5)


def test_looks_linear_is_one_matrix():
    """Its Jacobian is the same at all inputs, and the product of the layers' halves."""
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 10), nn.ReLU(), nn.Dropout(0.5), nn.Linear(10, 3)).double()
    done, (note,) = apply_surgery(model, ["looks-linear"], torch.rand(1, 6))
    assert note == "looks-linear: 3 layers mirrored"
    done.eval()
    a, b, c = (done[k].weight.detach() for k in (0, 2, 5))
    product = c[:, :5] @ b[:5, :4] @ a[:4]
    for x in torch.randn(5, 6, dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(lambda v: done(v.unsqueeze(0)).squeeze(0), x)
        assert torch.allclose(jacobian, product, atol=1e-12)
    assert torch.allclose(b[:5, :4] @ b[:5, :4].T @ b[:5, :4], b[:5, :4], atol=1e-12)  # an isometry where it is not 0


def test_looks_linear_through_average_pooling_and_flattening(sample):
    from tests.core.surgery.networks import plain

    done, _ = apply_surgery(plain().double().eval(), ["looks-linear"], sample)
    x, y = torch.randn(2, 4, 1, 8, 8, dtype=torch.float64)
    assert torch.allclose(done(2 * x - 3 * y), 2 * done(x) - 3 * done(y), atol=1e-10)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 2)], "0 has 7 outputs, which cannot be mirrored"),
        ([nn.Linear(6, 8), nn.ReLU(), nn.Unflatten(1, (8, 1)), nn.Conv1d(8, 4, 1, groups=2)], "not a plain convolution"),
        ([nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)], "do not make this network linear"),
    ],
)
def test_what_does_not_fit_is_refused(layers, message):
    with pytest.raises(InputError, match=message):
        apply_surgery(nn.Sequential(*layers), ["looks-linear"], torch.rand(1, 6))
