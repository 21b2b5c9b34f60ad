"""Operations on all tensors at once: the same numbers as one tensor at a time, on the way of each device."""

from math import inf, isnan, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils import get_total_norm

from dlcli.core.compute.rng import generator
from dlcli.core.training import foreach
from dlcli.core.training.foreach import largest_magnitude, move_towards

_numbers = st.floats(width=32, allow_nan=False)


def _each_way(tensors):
    """On a CPU, and on a GPU with its kernels and without."""
    return [
        float(found)
        for found in (foreach._from_ends(tensors), *(get_total_norm(tensors, inf, foreach=way) for way in (True, False)))
    ]


@given(st.lists(st.lists(_numbers, min_size=1, max_size=40), min_size=1, max_size=5))
def test_the_largest_magnitude_is_the_same_on_each_way(values):
    expected = max(abs(value) for part in values for value in part)
    assert _each_way([torch.tensor(part) for part in values]) == [expected] * 3


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_value_that_is_not_finite_is_found_on_each_way(bad):
    found = _each_way([torch.rand(3, 4), torch.tensor([1.0, bad, 2.0]), torch.rand(5)])
    assert all(isnan(value) if isnan(bad) else value == inf for value in found)


@pytest.mark.parametrize(("device", "ends"), [("cpu", 3), ("meta", 0)])
def test_the_device_chooses_the_way(device, ends, monkeypatch):
    called, plain = [], torch.Tensor.aminmax
    monkeypatch.setattr(torch.Tensor, "aminmax", lambda tensor: called.append(tensor) or plain(tensor))
    found = largest_magnitude([torch.zeros(shape, device=device) for shape in ((2, 3), (4,), (1, 1, 5))])
    assert (found.shape, found.device.type, len(called)) == ((), device, ends)


@pytest.mark.parametrize("shapes", [[(3, 4), (5,), (2, 3, 4, 5)], [(100, 100)], []])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7, 1.0])
def test_an_average_moves_as_lerp_moves_each_tensor(shapes, share):
    source = generator(0)
    average, now = ({str(k): torch.rand(shape, generator=source) for k, shape in enumerate(shapes)} for _ in range(2))
    average["half"], now["half"] = (torch.rand(9, generator=source).bfloat16() for _ in range(2))
    average["steps"], now["steps"] = torch.tensor(3), torch.tensor(4)
    expected = {name: torch.lerp(value, now[name], share) for name, value in average.items() if value.is_floating_point()}
    places = {name: value.data_ptr() for name, value in average.items()}
    move_towards(average, now, share)
    assert all(torch.equal(average[name], value) for name, value in expected.items())
    assert average["steps"] == 4
    assert {name: value.data_ptr() for name, value in average.items()} == places
