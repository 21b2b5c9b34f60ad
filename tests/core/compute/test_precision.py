"""Float64 on a device that has none."""

import pytest
import torch

from dlcli.core.compute.precision import float64_device, to_float64
from tests.fake_device import FAKE, FakeTensor


def test_the_fake_device_computes_refuses_float64_and_refuses_to_mix(no_float64):
    x = torch.arange(6.0).reshape(2, 3).to(no_float64)
    assert type(x) is FakeTensor and x.device == FAKE and x.cpu().tolist() == [[0, 1, 2], [3, 4, 5]]
    weights = torch.ones(3, device=no_float64, requires_grad=True)
    (x @ weights).sum().backward()
    assert weights.grad.device == FAKE and weights.grad.cpu().tolist() == [3, 5, 7]
    with pytest.raises(TypeError, match="float64"):
        x.double()
    with pytest.raises(TypeError, match="float64"):
        torch.zeros(2, dtype=torch.float64).to(no_float64)
    with pytest.raises(RuntimeError, match="same device"):
        x + torch.ones(2, 3)
    assert (x * torch.tensor(2.0))[torch.tensor([True, False])].cpu().tolist() == [[0, 2, 4]]


def test_float64_is_on_the_cpu_where_the_device_has_none(no_float64):
    x = torch.tensor([0.1, 1 / 3]).to(no_float64).requires_grad_()
    found = to_float64(x)
    assert found.device.type == "cpu" and found.tolist() == x.detach().cpu().double().tolist()
    found.square().sum().backward()
    assert x.grad.device == FAKE and torch.allclose(x.grad.cpu(), 2 * x.detach().cpu())


def test_float64_stays_on_a_device_that_has_it():
    x = torch.tensor([0.1, 1 / 3])
    assert torch.equal(to_float64(x), x.double())
    exact = x.double()
    assert to_float64(exact) is exact
    assert to_float64(torch.zeros(2, device="meta")).device.type == "meta"


def test_apples_gpus_are_the_ones_without():
    assert float64_device(torch.device("mps")) == torch.device("cpu")
    for name in ("cpu", "cuda", "cuda:1"):
        assert float64_device(torch.device(name)) == torch.device(name)
