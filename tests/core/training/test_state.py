"""The states of random generators, of the CPU and of a device that is imitated."""

import pytest
import torch

from dlcli.core.training.batch_gradients import BatchGradients
from dlcli.core.training.state import random_state, set_random_state, under


@pytest.fixture
def device_state(monkeypatch):
    """The generator of a GPU: one number."""
    state = [7]

    def restore(kept, device):
        state[0] = int(kept)

    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.tensor(state[0]))
    monkeypatch.setattr(torch.cuda, "set_rng_state", restore)
    return state


def test_the_states_of_cpu_and_device_are_put_back(device_state):
    with torch.random.fork_rng(devices=[]):
        kept = random_state(torch.device("cuda:1"))
        first = torch.rand(3)
        device_state[0] = 8
        set_random_state(kept, torch.device("cuda:1"))
        assert torch.equal(torch.rand(3), first)
    assert device_state == [7]


def test_a_repeated_step_draws_the_same_on_a_device(device_state):
    """Each attempt that fails for want of memory has drawn already; the last must draw what the first would have."""
    drawn = []

    gradients = BatchGradients.__new__(BatchGradients)
    gradients.device, gradients.parts = torch.device("cuda"), 1

    def attempt():
        drawn.append(device_state[0])
        device_state[0] += 1
        if len(drawn) < 3:
            raise torch.OutOfMemoryError("no memory")
        return torch.tensor(0.0)

    gradients._with_room(attempt, 8)
    assert (drawn, device_state, gradients.parts) == ([7, 7, 7], [8], 4)


def test_entries_under_a_prefix():
    state = {"model.a.b": torch.tensor(1), "models": torch.tensor(2), "a": torch.tensor(3)}
    assert under(state, "model.") == {"a.b": torch.tensor(1)}
