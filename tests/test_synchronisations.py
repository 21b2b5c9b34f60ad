"""The counter of synchronisations against the ones that torch documents for GPUs."""

import pytest
import torch

from tests.fake_device import fake_device
from tests.synchronisations import Synchronisations

X = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
WAITING = {
    "item": (lambda x: x[0, 0].item(), 1),
    "bool": (lambda x: bool((x > 2).any()), 1),
    "tolist": (lambda x: x.tolist(), 1),
    "cpu": (lambda x: x.cpu(), 1),
    "a copy from the device": (lambda x: torch.zeros(3, 2).copy_(x), 1),
    "nonzero": (lambda x: x.nonzero(), 1),
    "argwhere": (lambda x: torch.argwhere(x > 2), 1),
    "a mask": (lambda x: x[x[:, 0] > 2], 1),
    "two masks": (lambda x: (x[x[:, 0] > 2], x[x[:, 0] > 4]), 2),
    "writing by a mask": (lambda x: x.clone().__setitem__(x > 2, 0), 1),
    "masked_select": (lambda x: x.masked_select(x > 2), 1),
    "unique": (lambda x: x.unique(), 1),
    "equal": (lambda x: torch.equal(x, x), 1),
    "indices on the host": (lambda x: x[torch.tensor([0, 2])], 1),
    "a copy to the device": (lambda x: x.new_tensor([1.0]), 1),
    "a scalar to the device": (lambda x: torch.tensor(1.0, device=x.device), 1),
    "repeats": (lambda x: x.repeat_interleave(torch.tensor([1, 2, 1]).to(x.device, non_blocking=True), 0), 1),
}
NOT_WAITING = {
    "arithmetic": lambda x: torch.where(x > 2, x, 0).sum(0) * 2,
    "a scalar of the host": lambda x: x * torch.tensor(2.0),
    "indices": lambda x: x[torch.arange(2, device=x.device)],
    "a slice": lambda x: x[1:, None],
    "writing by indices": lambda x: x.clone().__setitem__(torch.arange(2, device=x.device), 0.0),
    "an asynchronous copy": lambda x: X.to(x.device, non_blocking=True),
    "an empty copy": lambda x: (torch.zeros(0).to(x.device), x[:0].cpu()),
    "another type": lambda x: x.to(torch.float64),
    "the shape": lambda x: (len(x), x.shape, x.device),
    "equal repeats": lambda x: x.repeat_interleave(2, 0),
}


@pytest.mark.parametrize("case", WAITING)
def test_it_counts_what_waits(case):
    work, expected = WAITING[case]
    with fake_device(float64=True) as device:
        x = X.to(device)
        with Synchronisations() as waits:
            work(x)
    assert waits.total == expected, waits.counted


@pytest.mark.parametrize("case", NOT_WAITING)
def test_it_does_not_count_what_runs_on(case):
    with fake_device(float64=True) as device:
        x = X.to(device)
        with Synchronisations() as waits:
            NOT_WAITING[case](x)
    assert not waits.total, waits.counted


@pytest.mark.parametrize("case", WAITING)
def test_on_the_cpu_nothing_waits(case):
    with Synchronisations() as waits:
        WAITING[case][0](X)
    assert not waits.total, waits.counted


def test_a_copy_from_the_device_without_a_wait_is_an_error():
    with fake_device() as device:
        x = X.to(device)
        with Synchronisations(), pytest.raises(AssertionError, match="without a wait"):
            x.to("cpu", non_blocking=True)
