"""CW: the objective's gradient, Adam against PyTorch's own, the search for c and kappa."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks.methods.cw import CW, _free, _image, _next_weight

Trained = tuple[nn.Module, Tensor, Tensor]


def written_out(model: nn.Module, x: Tensor, y: Tensor, attack: CW) -> Tensor:
    """The lengths found for a batch, by autograd and torch.optim.Adam."""
    weight = torch.full((len(x),), attack.first_weight, dtype=x.dtype)
    low, high, best = torch.zeros_like(weight), torch.full_like(weight, torch.inf), torch.full_like(weight, torch.inf)
    for _ in range(attack.searches):
        free = torch.atanh(0.999 * (2 * x - 1)).requires_grad_(True)
        base = 0.999 * (2 * x - 1)
        optimizer, hit = torch.optim.Adam([free], lr=attack.learning_rate), torch.zeros(len(x), dtype=torch.bool)
        for _ in range(attack.steps):
            image = x + (free.tanh() - base) / 2
            held = (image.clamp(0, 1) - image).detach() + image
            logits = model(held)
            lead = logits.scatter(1, y[:, None], -torch.inf).amax(1) - logits.gather(1, y[:, None])[:, 0]
            square = (held - x).flatten(1).square().sum(1)
            fooled = (lead >= attack.kappa) & (lead > 0)
            hit |= fooled
            best = torch.where(fooled, torch.minimum(best, square.sqrt().detach()), best)
            optimizer.zero_grad()
            (square + weight * (attack.kappa - lead).clamp_min(0)).sum().backward()
            optimizer.step()
        low, high = torch.where(hit, low, weight), torch.where(hit, weight, high)
        weight = torch.where(torch.isinf(high), 10 * weight, (low + high) / 2)
    return best


@pytest.mark.parametrize("kappa", [0.0, 2.0])
def test_it_finds_what_autograd_and_adam_find(kappa: float, trained: Trained) -> None:
    model, x, y = copy.deepcopy(trained[0]).double().requires_grad_(False), trained[1][:16].double(), trained[2][:16]
    right = model(x).argmax(1) == y
    x, y = x[right], y[right]
    attack = CW(steps=25, searches=4, kappa=kappa)
    found = attack.nearest(model, x, y, batch_size=5)
    expected = written_out(model, x, y, attack)
    assert bool(torch.isfinite(expected).any())
    assert torch.equal(torch.isfinite(expected), found.success)
    assert torch.allclose(found.norms, expected, rtol=1e-4)


def test_kappa_is_the_lead_of_the_class_that_wins(trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:20], trained[2][:20]
    right = model(x).argmax(1) == y
    plain, sure = (CW(steps=60, searches=6, kappa=k).nearest(model, x[right], y[right]) for k in (0.0, 3.0))
    logits = model(sure.images[sure.success]).detach()
    own = y[right][sure.success][:, None]
    lead = logits.scatter(1, own, -torch.inf).amax(1) - logits.gather(1, own)[:, 0]
    assert bool(sure.success.any()) and float(lead.min()) >= 3 - 1e-4
    assert float(sure.norms.median()) > 1.05 * float(plain.norms.median())


def test_the_free_variables_of_an_image_give_it_back_and_stay_in_bounds() -> None:
    x = torch.tensor([[-2.0, -1.9, 0.3, 3.0]])
    free = _free(x, (-2.0, 3.0))
    assert bool(torch.isfinite(free).all()) and torch.equal(_image(free, x, (-2.0, 3.0)), x)
    for far in (-30.0, 30.0):
        assert torch.allclose(_image(free + far, x, (-2.0, 3.0)), torch.full_like(x, 3.0 if far > 0 else -2.0), atol=5e-3)
        assert -2 <= float(_image(free + far, x, (-2.0, 3.0)).min()) and float(_image(free + far, x, (-2.0, 3.0)).max()) <= 3


def test_the_search_closes_in_on_the_least_weight_that_succeeds() -> None:
    memory = {"weight": torch.tensor([0.01]), "low": torch.zeros(1), "high": torch.full((1,), torch.inf)}
    for _ in range(20):
        memory = _next_weight({**memory, "succeeded": memory["weight"] >= 0.37})
    assert abs(float(memory["high"]) - 0.37) < 1e-4 and abs(float(memory["low"]) - 0.37) < 1e-4
