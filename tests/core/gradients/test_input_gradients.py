import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, max_pool2d

from dlcli.core.gradients.input_gradients import Derivative, input_gradients
from dlcli.support.errors import InputError, NumericError, UsageError

CPU = torch.device("cpu")


def network(dtype=torch.float64):
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()),
        *(nn.Linear(4 * 36, 8), nn.Tanh(), nn.Linear(8, 3)),
    ).to(dtype)
    net(torch.rand(16, 1, 8, 8, dtype=dtype))
    return net


X = torch.rand(70, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("target", ["logit", "loss"])
def test_it_is_what_a_loop_over_examples_gives(target):
    net = network()
    found = input_gradients(net, X, Derivative(target, 1), device=CPU)
    net.eval()
    for k in range(len(X)):
        x = X[k : k + 1].clone().requires_grad_()
        out = net(x)
        value = out[0, 1] if target == "logit" else cross_entropy(out, torch.tensor([1]))
        (grad,) = torch.autograd.grad(value, x)
        torch.testing.assert_close(found[k], grad.flatten(), rtol=0, atol=1e-10)


class Fixed(nn.Module):
    """A ReLU or max pooling that lets through what it did in another pass."""

    def __init__(self, chosen):
        super().__init__()
        self.chosen = chosen

    def forward(self, x):
        if self.chosen.dtype == torch.bool:
            return x * self.chosen
        return x.flatten(2).gather(2, self.chosen.flatten(2)).reshape(self.chosen.shape)


def chosen_by(module, x):
    """What a ReLU or max pooling lets through of `x`."""
    return x > 0 if isinstance(module, nn.ReLU) else max_pool2d(x, module.kernel_size, return_indices=True)[1]


def record_choices(net, run):
    """What `run()` returns, and by layer what it let through."""
    kept = {}
    handles = [
        layer.register_forward_pre_hook(
            lambda layer, args, name=name: kept.setdefault(name, []).append(chosen_by(layer, args[0].detach()))
        )
        for name, layer in net.named_children()
        if isinstance(layer, (nn.ReLU, nn.MaxPool2d))
    ]
    found = run()
    for handle in handles:
        handle.remove()
    return found, {name: torch.cat(parts) for name, parts in kept.items()}


def points_at_kinks(net, n):
    """Points (n, 1, 8, 8) where the float64 gradient jumps: by bisection between random images."""
    source = torch.Generator().manual_seed(2)
    same, other = torch.rand(2, n, 1, 8, 8, generator=source, dtype=torch.float64)

    def pattern(x):
        with torch.no_grad():
            _, kept = record_choices(net, lambda: net(x))
        return torch.cat([value.flatten(1).long() for value in kept.values()], dim=1)

    start = pattern(same)
    for _ in range(50):
        middle = (same + other) / 2
        before = (pattern(middle) == start).all(1)[:, None, None, None]
        same, other = torch.where(before, middle, same), torch.where(before, other, middle)
    return same


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_in_float32_it_is_exact_for_the_units_that_the_pass_turned_on(size, layout):
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 3), nn.MaxPool2d(2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(72, 32), nn.ReLU(), nn.Linear(32, 3)),
    ).eval()
    truth = copy.deepcopy(net).double()
    x = points_at_kinks(truth, 64).float()
    net = net.to(memory_format=layout)
    logit = Derivative("logit", 1)
    found, kept = record_choices(
        net, lambda: torch.cat([input_gradients(net, batch, logit, device=CPU) for batch in x.split(size)])
    )
    fixed = nn.Sequential(*(Fixed(kept[name]) if name in kept else layer for name, layer in truth.named_children()))
    torch.testing.assert_close(found.double(), input_gradients(fixed, x.double(), logit, device=CPU), rtol=0, atol=1e-5)
    # Rounding takes some of these points across the kink, or nothing would be tested.
    jumps = (found - input_gradients(truth, x.double(), logit, device=CPU)).abs().amax(1)
    assert (jumps > 1e-4).any()


def test_by_a_layer_it_is_the_chain_from_there():
    net = network()
    found = input_gradients(net, X, Derivative("logit", 2, layer="6"), device=CPU)
    torch.testing.assert_close(found, net[7].weight[2].detach().expand(len(X), -1))


@pytest.mark.parametrize("in_place", [False, True])
def test_by_a_layer_whose_output_is_written_over(in_place):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(inplace=in_place), nn.Linear(8, 3)).double()
    found = input_gradients(net, X, Derivative("logit", 2, layer="1"), device=CPU)
    above = (net[1](X.flatten(1)) > 0).double()
    torch.testing.assert_close(found, above * net[3].weight[2].detach())


def test_by_a_layer_that_serves_twice_it_is_by_its_first_output():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(64, 64, bias=False), nn.Linear(64, 3)

        def forward(self, x):
            return self.head(self.layer(self.layer(x.flatten(1))))

    torch.manual_seed(0)
    net = Twice().double()
    found = input_gradients(net, X, Derivative("logit", 2, layer="layer"), device=CPU)
    torch.testing.assert_close(found, (net.head.weight[2] @ net.layer.weight).detach().expand(len(X), -1))


def test_behind_a_place_without_gradient_even_frozen_weights_have_one():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), Broken("detached"), nn.Linear(3, 3), nn.Linear(3, 3)).double().requires_grad_(False)
    found = input_gradients(net, X, Derivative("logit", 1, layer="2"), device=CPU)
    torch.testing.assert_close(found, net[3].weight[1].expand(len(X), -1))


def test_by_the_statistics_of_the_batch_it_is_that_of_the_sum():
    net = network()
    found = input_gradients(net, X, Derivative("logit", 0, norm="batch"), device=CPU)
    twin = copy.deepcopy(net).eval()
    twin[1].train()
    x = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(twin(x)[:, 0].sum(), x)
    torch.testing.assert_close(found, grad.flatten(1), rtol=0, atol=1e-12)
    assert not torch.allclose(found, input_gradients(net, X, Derivative("logit", 0), device=CPU))


@pytest.mark.parametrize("norm", ["frozen", "batch"])
def test_nothing_is_left_behind(norm):
    net = network()
    net[5].weight.requires_grad_(False)
    before, modes = copy.deepcopy(net.state_dict()), [module.training for module in net.modules()]
    random = torch.get_rng_state()
    input_gradients(net, X, Derivative("logit", 0, layer="6", norm=norm), device=CPU)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values(), strict=True))
    assert modes == [module.training for module in net.modules()]
    assert torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None for p in net.parameters())
    assert [p.requires_grad for p in net.parameters()].count(False) == 1
    assert not any(module._forward_hooks for module in net.modules())


class Broken(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        flat = x.flatten(1)[:, :3]
        return {"detached": flat.detach(), "tuple": (flat, flat), "nan": flat.sub(flat).sqrt()}[self.how]


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [("detached", InputError, "no gradient by its input"), ("tuple", InputError, "tuple"), ("nan", NumericError, "NaN")],
)
def test_a_network_without_a_gradient_is_named(how, kind, said):
    with pytest.raises(kind, match=said):
        input_gradients(Broken(how), X, Derivative("logit", 0), device=CPU)


@pytest.mark.parametrize(("layer", "helps"), [("", "behind such a place"), ("0", "nearer to the output")])
def test_without_a_gradient_another_layer_is_proposed(layer, helps):
    net = nn.Sequential(nn.Identity(), Broken("detached"))
    with pytest.raises(InputError) as caught:
        input_gradients(net, X, Derivative("logit", 0, layer=layer), device=CPU)
    assert helps in caught.value.hint


def test_what_is_not_there_is_named():
    with pytest.raises(UsageError, match="no layer 'head'"):
        input_gradients(network(), X, Derivative("logit", 0, layer="head"), device=CPU)
    net = network()
    net.spare = nn.Linear(2, 2)
    net.forward = lambda x: nn.Sequential(*list(net)[:8])(x)
    with pytest.raises(UsageError, match="does not use its layer 'spare'"):
        input_gradients(net, X, Derivative("logit", 0, layer="spare"), device=CPU)
    pair = nn.Sequential(Broken("tuple"), Broken("tuple"))
    with pytest.raises(UsageError, match="layer '0' gives a tuple"):
        input_gradients(pair, X, Derivative("logit", 0, layer="0"), device=CPU)
    with pytest.raises(UsageError, match="output 9"):
        input_gradients(network(), X, Derivative("logit", 9), device=CPU)
