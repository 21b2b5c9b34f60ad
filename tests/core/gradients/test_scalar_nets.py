import numpy as np
import pytest
import torch

from dlcli.core.gradients.autocorrelation import correlate, mean_cosine, verdict
from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.core.gradients.layer_signals import layer_signals
from dlcli.core.gradients.scalar_nets import grid, scalar_network, set_batchnorm_statistics
from dlcli.core.layers.mlp_stack import mlp_stack

CPU = torch.device("cpu")
X = grid(256)


def gradients(kind, depth, seed, **options):
    torch.manual_seed(seed)
    return input_gradients(scalar_network(kind, depth, X, **options), X, Derivative("logit", 0), device=CPU).numpy()


def first(kind, depth, seeds=6, **options):
    return np.mean([correlate(gradients(kind, depth, seed, **options)).first for seed in range(seeds)])


def test_the_grid():
    assert X.shape == (256, 1) and X[0] == -2 and X[-1] == 2
    torch.testing.assert_close(X.diff(dim=0), torch.full((255, 1), 4 / 255, dtype=torch.float64))


def test_the_gradient_is_the_slope_of_the_function():
    torch.manual_seed(0)
    net = scalar_network("resnet", 4, X)
    with torch.no_grad():
        y, ahead = net(X), net(X + 1e-7)
    slopes = ((ahead - y) / 1e-7).numpy()
    found = input_gradients(net, X, Derivative("logit", 0), device=CPU).numpy()
    assert np.mean(np.abs(found - slopes) < 1e-4 * np.abs(slopes).max()) > 0.98  # but for a bend within the step


def test_skips_keep_what_depth_takes_from_plain_networks():
    """The order is the paper's figure 2: residual with beta 0.1, residual, plain."""
    plain, residual, scaled = first("plain", 24), first("resnet", 24), first("resnet", 24, beta=0.1)
    assert plain < residual < scaled
    assert abs(plain) < 1.96 / 16 < first("plain", 10)
    assert abs(first("bn", 24)) < 1.96 / 16


def test_looks_linear_is_linear():
    found = gradients("looks-linear", 24, 0)
    assert correlate(found) is None and verdict(None, 256) == "linear"
    assert mean_cosine(found) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_batch_normalisation_halves_the_correlation_of_random_inputs_a_layer(depth):
    """Balduzzi et al. 2017, theorem 1, for inputs without correlation; co-activation is a quarter in every layer."""
    found, coactive = [], []
    for seed in range(6):
        torch.manual_seed(seed)
        net, x, derivative = mlp_stack("bn", 200, 1, depth, width=400), torch.randn(256, 200), Derivative("logit", 0)
        set_batchnorm_statistics(net, x)
        found.append(mean_cosine(input_gradients(net, x, derivative, device=CPU).numpy()))
        coactive.append(layer_signals(net, x, derivative, device=CPU)[0].coactive)
    assert np.mean(found) == pytest.approx(2.0**-depth, rel=0.3)
    assert np.mean(coactive) == pytest.approx(0.25, abs=0.01)


def test_other_kinds_are_a_slip():
    with pytest.raises(ValueError, match="not one of"):
        scalar_network("rnn", 3, X)
