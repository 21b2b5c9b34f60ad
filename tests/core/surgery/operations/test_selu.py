"""Self-normalising surgery: the statistics that it promises, measured in a deep network."""

import pytest
import torch
from torch import nn

from dlcli.core.layers.selu import AlphaDropout, ScaledELU
from dlcli.core.surgery import apply_surgery
from tests.core.surgery.networks import residual


@pytest.mark.parametrize(("argument", "mean", "variance"), [("", 0.0, 1.0), (":0,1", 0.0, 1.0), (":0,4", 0.0, 4.0)])
def test_a_deep_network_keeps_mean_and_variance(argument, mean, variance):
    layers = [part for _ in range(32) for part in (nn.Linear(400, 400), nn.BatchNorm1d(400), nn.ReLU())]
    done, _ = apply_surgery(nn.Sequential(*layers), [f"selu{argument}"], torch.rand(1, 400))
    x = done.eval()(torch.randn(500, 400) * variance**0.5 + mean).detach()
    # 32 layers of fresh weights: their finite width leaves about 1/sqrt(400) a unit.
    assert abs(float(x.mean()) - mean) < 0.1 * variance**0.5
    assert float(x.var()) == pytest.approx(variance, rel=0.15)


def test_with_0_and_1_it_is_torchs_selu(sample):
    done, _ = apply_surgery(residual(), ["selu"], sample)
    activations = [m for m in done.modules() if isinstance(m, ScaledELU)]
    x = torch.linspace(-4, 4, 99, dtype=torch.float64)
    assert len(activations) == 3  # the stem's and one a block, each of which serves several calls
    assert all(torch.allclose(m(x), nn.functional.selu(x), atol=1e-12) for m in activations)


def test_norms_go_dropout_is_fitted_and_weights_are_lecun_normal(sample):
    model = nn.Sequential(nn.Conv2d(1, 64, 3, groups=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Dropout2d(0.3))
    model.extend([nn.Conv2d(64, 64, 3, groups=4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(1024, 200)])
    done, (note,) = apply_surgery(model, ["selu"], sample)
    assert note.endswith("1 batch normalisation taken out, 2 dropouts fitted, 3 layers redrawn")
    assert isinstance(done[1], nn.Identity)
    assert [(m.p, m.whole_maps) for m in (done[3], done[7]) if isinstance(m, AlphaDropout)] == [(0.3, True), (0.1, False)]
    for layer, inputs in ((done[0], 9), (done[4], 16 * 9), (done[8], 1024)):
        n = layer.weight.numel()
        assert layer.weight.var().item() * inputs == pytest.approx(1.0, abs=5 * (2 / n) ** 0.5)
        assert not layer.bias.any()


def test_functional_dropout_is_refused_by_name(sample):
    class Dropping(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x, 0.5, self.training)

    from dlcli.support.errors import InputError

    with pytest.raises(InputError, match="1 drops by a function call"):
        apply_surgery(nn.Sequential(nn.ReLU(), Dropping()), ["selu"], sample)


@pytest.mark.parametrize("name", ["functional", "auxiliary"])
def test_functional_calls_are_reached_in_training_too(name, sample):
    from tests.core.surgery.networks import NETWORKS

    done, _ = apply_surgery(NETWORKS[name](), ["elu"], sample)
    called = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            called.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Watch():
        done.train()(torch.rand(2, 1, 8, 8))
    assert "elu" in called and not {"relu", "relu_"} & set(called)
