"""The bound of M2 against sums by hand and torch's distributions, and the Gumbel-softmax estimator against the sum."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from dlcli.core.semi_supervised.base import SemiBatch, SemiSettings
from dlcli.core.semi_supervised.m2 import M2, M2Networks, SampledM2
from dlcli.core.semi_supervised.methods import SEMI_SUPERVISED

VALUES, CLASSES, LATENT = 12, 3, 2


def networks() -> M2Networks:
    torch.manual_seed(4)
    found = M2Networks(VALUES, CLASSES, hidden=5, latent=LATENT).double()
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return found


def of(name: str, **settings: object) -> M2:
    found = SEMI_SUPERVISED.module(name).method(SemiSettings(**settings))
    assert isinstance(found, M2)
    return found


def binary(n: int) -> Tensor:
    return (torch.rand(n, VALUES, generator=torch.Generator().manual_seed(n)) < 0.5).double()


@torch.no_grad()
def by_hand(net: M2Networks, x: Tensor, label: int, noise: Tensor) -> float:
    """-L(x, y) of one image, from the layers and the distributions themselves."""
    y = torch.eye(CLASSES, dtype=x.dtype)[label]
    hidden = (net.of_image.weight @ x + net.of_image.bias + net.of_class.weight[:, label]).relu()
    parameters = net.posterior.weight @ hidden + net.posterior.bias
    posterior = Normal(parameters[:LATENT], (parameters[LATENT:] / 2).exp())
    z = posterior.mean + posterior.stddev * noise
    cause = (net.cause.weight @ torch.cat([z, y]) + net.cause.bias).relu()
    pixels = Bernoulli(logits=net.pixels.weight @ cause + net.pixels.bias)
    divergence = kl_divergence(posterior, Normal(torch.zeros(LATENT).double(), torch.ones(LATENT).double())).sum()
    return float(pixels.log_prob(x).sum() + math.log(1 / CLASSES) - divergence)


@torch.no_grad()
def test_the_bound_is_that_of_the_definitions():
    net, x = networks(), binary(4)
    noise = torch.randn(4, LATENT, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 2, 1, 2])
    found = net.bound(x, net.of_image(x), torch.eye(CLASSES).double()[labels], noise)
    expected = [by_hand(net, x[k], int(labels[k]), noise[k]) for k in range(4)]
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_marginal_bound_is_the_sum_over_classes():
    net, x = networks(), binary(4)
    logits = torch.randn(4, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.manual_seed(7)
    found = of("marginal").unlabelled_bound(net, x, logits, 0)
    torch.manual_seed(7)
    noise = torch.empty(4 * CLASSES, LATENT, dtype=torch.float64).normal_().view(4, CLASSES, LATENT)
    for k in range(4):
        q = [math.exp(v) / sum(math.exp(w) for w in logits[k].tolist()) for v in logits[k].tolist()]
        expected = sum(q[y] * (by_hand(net, x[k], y, noise[k, y]) - math.log(q[y])) for y in range(CLASSES))
        assert float(found[k]) == pytest.approx(expected, abs=1e-6)


@torch.no_grad()
def test_the_bound_is_below_the_evidence():
    net, x = networks(), binary(3)
    z = torch.randn(20_000, LATENT, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    q = torch.full((3, CLASSES), 0.0).double()
    torch.manual_seed(0)
    bound = torch.stack([of("marginal").unlabelled_bound(net, x, q, 0) for _ in range(500)]).mean(0)
    classes = torch.eye(CLASSES).double()
    for k in range(3):
        each = [Bernoulli(logits=net.decode(classes[y].expand(len(z), -1), z)).log_prob(x[k]).sum(1) for y in range(CLASSES)]
        evidence = float(torch.stack(each).flatten().logsumexp(0) - math.log(CLASSES * len(z)))
        assert float(bound[k]) < evidence


@pytest.mark.parametrize("name", ["gumbel-softmax", "gumbel-st"])
def test_at_a_low_temperature_the_sampled_bound_has_the_mean_of_the_marginal_one(name: str):
    net, x, draws = networks(), binary(1), 2000
    logits = torch.tensor([[0.3, -0.8, 0.9]], dtype=torch.float64)
    torch.manual_seed(1)
    many = x.expand(draws, -1), logits.expand(draws, -1)
    cold = of(name, temperature=(1e-4, 1e9, 1))
    assert isinstance(cold, SampledM2) and cold.temperature_at(1) == 1e-4
    with torch.no_grad():
        sampled = cold.unlabelled_bound(net, *many, 1)
        marginal = of("marginal").unlabelled_bound(net, *many, 1)
    gap = sampled.mean() - marginal.mean()
    assert abs(gap) < 3 * math.sqrt(float(sampled.var() + marginal.var()) / draws)
    assert sampled.std() > 0.1  # so that equal means are no accident of equal values


def sampled_classes(name: str, log_q: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The shares that a method decodes, and the logits they came from."""
    seen: list[Tensor] = []

    class Seeing(M2Networks):
        def bound(self, x: Tensor, seen_images: Tensor, y: Tensor, noise: Tensor) -> Tensor:
            seen.append(y)
            return y.sum(1)

    method = of(name, temperature=(temperature, 1e9, 1))
    method.expected_bound(Seeing(VALUES, CLASSES), torch.zeros(len(log_q), VALUES), log_q, 1)
    return seen[0], log_q


@pytest.mark.parametrize("name", ["gumbel-softmax", "gumbel-st"])
@pytest.mark.parametrize("temperature", [0.5, 1e-3])
def test_classes_are_drawn_with_their_probabilities(name: str, temperature: float):
    torch.manual_seed(3)
    n, p = 100_000, torch.tensor([0.7, 0.2, 0.08, 0.02])
    y, _ = sampled_classes(name, p.log().expand(n, -1), temperature)
    share = torch.bincount(y.argmax(1), minlength=4) / n
    assert ((share - p).abs() < 4 * (p * (1 - p) / n).sqrt()).all()
    torch.testing.assert_close(y.sum(1), torch.ones(n), rtol=0, atol=1e-5)
    assert (((y == 0) | (y == 1)).all()) == (name == "gumbel-st")


@pytest.mark.parametrize("name", ["gumbel-softmax", "gumbel-st"])
def test_gradients_are_finite_for_extreme_logits(name: str):
    torch.manual_seed(5)
    logits = torch.tensor([50.0, -50.0, 0.0]).repeat(1000, 1).requires_grad_()
    net = M2Networks(VALUES, CLASSES)
    bound = of(name, temperature=(0.1, 1e9, 1)).unlabelled_bound(net, binary(1).float().expand(1000, -1), logits, 1)
    bound.mean().backward()
    assert bound.isfinite().all() and logits.grad is not None and logits.grad.isfinite().all()


def test_the_gradient_of_a_draw_reaches_the_classifier():
    for name in ("gumbel-softmax", "gumbel-st", "marginal"):
        torch.manual_seed(5)
        logits = torch.zeros(4, CLASSES, dtype=torch.float64, requires_grad=True)
        of(name).expected_bound(networks(), binary(4), logits.log_softmax(1), 0).sum().backward()
        assert logits.grad is not None and (logits.grad != 0).any(1).all()


def test_the_temperature_falls_in_steps_to_its_floor():
    method = of("gumbel-softmax")
    assert isinstance(method, SampledM2)
    assert [method.temperature_at(t) for t in (0, 1999)] == [1, 1]
    assert method.temperature_at(2000) == method.temperature_at(3999) == math.exp(-0.06)
    assert method.temperature_at(23_999) == math.exp(-0.66) > 0.5 == method.temperature_at(24_000)
    assert any("from 1 to 0.942 in 2,500 steps" in note for note in method.notes(torch.Size((1, 28, 28)), 2500))


@torch.no_grad()
def test_the_loss_is_that_of_the_paper():
    net, source = networks().float(), torch.Generator().manual_seed(0)
    x, u = (torch.rand(n, 1, 3, 4, generator=source).round() for n in (3, 5))  # binary already: nothing is drawn for pixels
    y, logits = torch.tensor([2, 0, 1]), torch.randn(5, CLASSES, generator=source)
    batch = SemiBatch(torch.tensor(0.25), x, y, u[:, None], lambda _: logits, lambda _: logits, net, 0, 10)
    torch.manual_seed(9)
    found = of("marginal", alpha=8.0).losses(batch)
    torch.manual_seed(9)
    torch.bernoulli(x.flatten(1))
    noise = torch.empty(3, LATENT).normal_()
    each = [by_hand(net.double(), x[k].flatten().double(), int(y[k]), noise[k].double()) for k in range(3)]
    assert float(found.labelled) == pytest.approx(8 * 0.25 - sum(each) / 3, rel=1e-5)
    torch.bernoulli(u.flatten(1))
    expected = of("marginal").unlabelled_bound(net.float(), u.flatten(1), logits, 0)
    assert float(found.unlabelled) == pytest.approx(-float(expected.mean()), rel=1e-5)
    assert any(
        "alpha 8 is the weight" in note and "0.667 beside their mean" in note
        for note in of("marginal", alpha=8.0).notes(torch.Size((1, 3, 4)), 1)
    )
