"""What a forward pass leaves on the trace, what is found there, and what edits reach."""

import copy
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.graph.rewire import ALL_POSITIONS, Address, address_of, rewire
from dlcli.core.graph.skips import find_skips
from dlcli.core.graph.trace import RELUS, SAMPLE, record_trace
from dlcli.support.errors import InputError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.relu = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        h = self.relu(self.a(x)) + self.bias
        return self.relu(self.b(h) + h)


def test_the_tape_of_a_small_network():
    trace = record_trace(Net(), torch.rand(2, 4))
    assert [op.name for op in trace.ops] == ["linear", "relu", "add", "linear", "add", "relu"]
    assert [op.layer for op in trace.ops] == ["a", "relu", "", "b", "", "relu"]
    assert [op.owner for op in trace.ops] == ["a", "", "", "b", "", ""]
    assert [op.position for op in trace.ops_named(RELUS)] == [0, 1]
    assert [op.parents for op in trace.ops] == [(SAMPLE,), (1,), (2,), (3,), (4, 3), (5,)]
    assert trace.ops[2].operands == (2, None) and trace.ops[4].operands == (4, 3)
    assert trace.ops[4].descends_from(SAMPLE) and trace.ops[4].descends_from(3) and not trace.ops[2].descends_from(4)
    assert [op.node for op in trace.consumers(3)] == [4, 5]


def test_recording_leaves_the_model_and_the_random_state():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).train()
    model[1].eval()
    x = torch.rand(3, 4)
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    record_trace(model, x)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [m.training for m in model] == [True, False, True] and torch.equal(torch.get_rng_state(), random)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_writing_in_place_makes_a_new_node():
    class InPlace(nn.Module):
        def forward(self, x):
            y = x * 2
            y += x
            y[:, 0] = 1.0
            F.relu(y, inplace=True)
            return y.sigmoid()

    trace = record_trace(InPlace(), torch.rand(2, 4))
    assert [(op.name, op.parents) for op in trace.ops] == [
        ("mul", (0,)),
        ("add_", (1, 0)),
        ("__setitem__", (2,)),
        ("relu", (3,)),
        ("sigmoid", (4,)),
    ]


def test_a_failing_model_is_an_input_error_and_is_left_clean():
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(InputError, match="the model fails on an image of shape 4"):
        record_trace(model, torch.rand(1, 4))
    assert not model[0]._forward_hooks


# Blocks of each network, and whether the branch is the first or the second operand.
SKIPS = {"resnet18": 8, "resnet50": 16, "mobilenet_v2": 10, "convnext_tiny": 18, "vgg11": 0, "densenet121": 0}


@pytest.mark.parametrize("name", SKIPS)
def test_residual_blocks_of_torchvision(name):
    import torchvision

    skips = find_skips(record_trace(getattr(torchvision.models, name)(weights=None), torch.rand(1, 3, 32, 32)))
    assert len(skips) == SKIPS[name]
    assert len({skip.owner for skip in skips}) == len(skips)
    depth = {"resnet18": {2}, "resnet50": {3}, "mobilenet_v2": {3}, "convnext_tiny": {3}}.get(name, set())
    assert {skip.depth for skip in skips} == depth


def test_two_sums_a_block_in_a_transformer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    skips = find_skips(record_trace(layer, torch.rand(1, 5, 8)))
    assert [(skip.add.position, skip.depth) for skip in skips] == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("forward", "branches"),
    [
        (lambda a, b, x: x + a(x), [1]),
        (lambda a, b, x: a(x) + x, [0]),
        (lambda a, b, x: a(x) + b(x), []),
        (lambda a, b, x: b(a(x)) + b(x), [0]),
        (lambda a, b, x: (x + a(x)) + b(x), [1, 1]),
        (lambda a, b, x: a(x) + 1.0, []),
        (lambda a, b, x: a(x) + torch.ones(4), []),
        (lambda a, b, x: x + x, []),
    ],
)
def test_what_is_a_residual_sum(forward, branches):
    class Sum(Net):
        def forward(self, x):
            return forward(self.a, self.b, x)

    assert [skip.operand for skip in find_skips(record_trace(Sum(), torch.rand(1, 4)))] == branches


def _negative(call_next, operation, args, kwargs):
    return -call_next(operation, args, kwargs)


@pytest.mark.parametrize("position", [0, 1])
def test_an_edit_reaches_one_call_of_a_shared_module(position):
    model, x = Net(), torch.randn(3, 4)
    signs = [-1 if position == k else 1 for k in (0, 1)]
    h = signs[0] * F.relu(model.a(x))
    expected = signs[1] * F.relu(model.b(h) + h)
    rewire(model, {Address("", "activation", position): _negative})
    assert torch.allclose(model(x), expected)
    assert torch.allclose(copy.deepcopy(model)(x), expected)


def test_calls_of_modules_inside_are_not_counted_and_everywhere_is():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ModuleList([Net(), Net()])

        def forward(self, x):
            return self.inner[1](F.relu(self.inner[0](x)))

    model, x = Outer(), torch.randn(3, 4)
    trace = record_trace(model, x)
    assert Counter(op.owner for op in trace.ops_named(RELUS)) == {"inner.0": 2, "": 1, "inner.1": 2}
    expected = model.inner[1](-F.relu(model.inner[0](x)))
    one = copy.deepcopy(model)
    (own,) = (op for op in trace.ops_named(RELUS) if op.owner == "")
    rewire(one, {address_of(own): _negative})
    assert torch.allclose(one(x), expected)
    rewire(model, {Address("", "activation", ALL_POSITIONS): lambda call_next, operation, args, kwargs: args[0]})
    assert not record_trace(model, x).ops_named(RELUS)


def test_edits_of_two_rounds_count_what_the_first_left():
    model, x = Net(), torch.randn(3, 4)
    expected = -F.relu(model.b(model.a(x)) + model.a(x))
    rewire(model, {Address("", "activation", 0): lambda call_next, operation, args, kwargs: args[0]})
    (left,) = record_trace(model, x).ops_named(RELUS)
    assert left.position == 0
    rewire(model, {address_of(left): _negative})
    assert torch.allclose(model(x), expected)
