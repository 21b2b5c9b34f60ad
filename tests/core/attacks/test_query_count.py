"""Counted passes against numbers that are known beforehand."""

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.query_count import QueryCounter
from dlcli.core.compute.forward import in_mode

Trained = tuple[nn.Module, Tensor, Tensor]


def test_images_forward_and_backward_are_counted() -> None:
    model = QueryCounter(nn.Linear(3, 2))
    x = torch.rand(5, 3, requires_grad=True)
    torch.autograd.grad(model(x).sum(), x)
    with torch.no_grad():
        model(x[:2])
    assert (model.forwards, model.backwards) == (7, 5)
    logits = model(x[:3])
    for k in range(2):
        torch.autograd.grad(logits[:, k].sum(), x, retain_graph=True)
    assert (model.forwards, model.backwards) == (10, 11)
    found = model.per_image(5)
    assert (found.forward, found.backward) == (2.0, 2.2)


@pytest.mark.parametrize("steps", [1, 4])
def test_an_attack_of_known_passes(steps: int, trained: Trained) -> None:
    model, x, y = QueryCounter(trained[0]), trained[1][:20], trained[2][:20]
    load_attack("bim").with_options(steps=steps, precision="float32")(model, x, y, eps=0.1, full=True)
    extra = 2  # one pass of the first image by the checks, one to try the forward mode
    assert (model.forwards, model.backwards) == (20 * steps + extra, 20 * steps + 1)


def test_the_answers_are_those_of_the_model(trained: Trained) -> None:
    model, x, y = trained[0], trained[1][:30], trained[2][:30]
    for name in ("fgsm", "pgd", "square"):
        attack = load_attack(name).with_options(**({"queries": 50} if name == "square" else {}))
        assert torch.equal(attack(QueryCounter(model), x, y, eps=0.1), attack(model, x, y, eps=0.1))


def test_modes_parameters_and_errors_go_through() -> None:
    inner = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2))
    model = QueryCounter(inner)
    with in_mode(model):
        assert not inner[0].training
    assert [p is q for p, q in zip(model.parameters(), inner.parameters(), strict=True)] == [True, True]
    with pytest.raises(RuntimeError):
        model(torch.zeros(3, 5))
    assert model.forwards == 0
