"""FGSM against what can be worked out by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dlcli.core.attacks.methods.fgsm import ATTACK, _input_gradient
from dlcli.core.attacks.methods.noise import ATTACK as NOISE
from dlcli.support.errors import InputError, NumericError

Trained = tuple[nn.Module, Tensor, Tensor]


def linear_softmax() -> tuple[nn.Module, Tensor]:
    """Logits W x, and W (3, 4)."""
    weights = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False)).double()
    model[1].weight.data.copy_(weights)
    return model, weights


def test_on_a_linear_softmax_model_the_step_is_known() -> None:
    # d/dx of -log softmax(W x)[y] is W^T (p - onehot(y)).
    model, weights = linear_softmax()
    x = torch.rand(20, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.4 + 0.3
    y = torch.arange(20) % 3
    p = torch.exp(x.flatten(1) @ weights.T)
    p = p / p.sum(1, keepdim=True)
    p[torch.arange(20), y] -= 1
    expected = (p @ weights).reshape(x.shape)
    assert torch.allclose(_input_gradient(model, x, y, None), expected, atol=1e-12)
    assert torch.allclose(ATTACK(model, x, y, eps=0.1), x + 0.1 * expected.sign(), atol=1e-12)


def test_with_two_classes_the_step_does_not_depend_on_the_image() -> None:
    # W^T (p - onehot) is then a positive multiple of the other class's row minus the true one's.
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    model[1].weight.data.copy_(torch.tensor([[1.0, -1.0, 0.0, 2.0], [0.0, 1.0, 0.0, -2.0]]))
    x = torch.full((2, 1, 2, 2), 0.5)
    step = torch.tensor([-1.0, 1.0, 0.0, -1.0]).reshape(1, 2, 2)
    found = ATTACK(model, x, torch.tensor([0, 1]), eps=0.25)
    assert torch.allclose(found[0] - x[0], 0.25 * step) and torch.allclose(found[1] - x[1], -0.25 * step)


def test_accuracy_falls_and_noise_of_the_same_size_takes_less(trained: Trained) -> None:
    model, x, y = trained

    def accuracy(images: Tensor) -> float:
        with torch.no_grad():
            return float((model(images).argmax(1) == y).double().mean())

    clean, fooled, noisy = accuracy(x), accuracy(ATTACK(model, x, y, eps=0.1)), accuracy(NOISE(model, x, y, eps=0.1))
    assert fooled <= noisy <= clean and fooled < clean - 0.2


def test_the_loss_of_every_image_rises_under_a_small_step(trained: Trained) -> None:
    model, x, y = copy.deepcopy(trained[0]).double(), trained[1][:100].double(), trained[2][:100]
    loss = nn.CrossEntropyLoss(reduction="none")
    found = ATTACK(model, x, y, eps=1e-5)
    assert bool((loss(model(found), y) >= loss(model(x), y)).all())


def test_a_model_that_lets_no_gradient_through_is_refused() -> None:
    class Stepped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach().flatten(1)

    with pytest.raises(InputError, match="no gradient through"):
        ATTACK(Stepped(), torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), eps=0.1)


def test_a_gradient_of_nan_is_said() -> None:
    class Rooted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * 0).sqrt().flatten(1)

    with pytest.raises(NumericError, match="gradient in the images is NaN"):
        ATTACK(Rooted(), torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), eps=0.1)
